"""The depth node's topics: one table that the node creates its publishers from and the docs their tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..messages.layout import ENCODINGS


@dataclass(frozen=True)
class Topic:
    """A topic as the node sees it.

    Attributes:
        type: package/Message.
        reliable, depth: quality of service (keep last); a subscription that is not reliable takes both kinds.
        parameter: the topic exists only where this parameter is true; empty: always.
    """

    direction: Literal["in", "out"]
    name: str
    type: str
    reliable: bool
    depth: int
    notes: str
    parameter: str = ""


IMAGE = Topic("in", "image", "sensor_msgs/Image", False, 5, "Encodings: " + ", ".join(ENCODINGS) + ".")
COMPRESSED = Topic(
    "in",
    "image/compressed",
    "sensor_msgs/CompressedImage",
    False,
    5,
    "Instead of `image`, with `image_transport: compressed`: JPEG or PNG, 8 or 16 bit.",
)
CAMERA_INFO_IN = Topic(
    "in",
    "camera_info",
    "sensor_msgs/CameraInfo",
    False,
    5,
    "Republished; its region of interest tells the lens how much was cropped. K of zeros: a warning, no point cloud.",
)
LENS_STATE = Topic(
    "in",
    "lens_state",
    "sensor_msgs/JointState",
    True,
    50,
    "Positions `focus_distance` (m, inf allowed) and optionally `f_number`, `focal_length` (m). "
    "The newest at or before the image's stamp holds, also of those that a transient local publisher told before; "
    "nonzero velocity = travelling: frames are skipped.",
)
DEPTH = Topic("out", "~/depth/image", "sensor_msgs/Image", True, 5, "32FC1, metres along z, NaN where unknown.")
DEPTH_MM = Topic(
    "out", "~/depth/image_raw", "sensor_msgs/Image", True, 5, "16UC1, mm, 0 where unknown.", "publish_depth_mm"
)
CAMERA_INFO_OUT = Topic(
    "out", "~/depth/camera_info", "sensor_msgs/CameraInfo", True, 5, "The camera of the maps, with their stamp."
)
DEFOCUS = Topic(
    "out",
    "~/defocus/image",
    "sensor_msgs/Image",
    True,
    5,
    "32FC1, signed circle-of-confusion diameter, px of the input image: negative nearer than the focus plane.",
)
CONFIDENCE = Topic(
    "out",
    "~/confidence/image",
    "sensor_msgs/Image",
    True,
    5,
    "32FC1, 0..1: probability that depth is within a factor of 1.25.",
)
COLOR = Topic("out", "~/depth/color", "sensor_msgs/Image", True, 5, "bgr8, depth in a fixed range of colours.")
POINTS = Topic(
    "out",
    "~/points",
    "sensor_msgs/PointCloud2",
    True,
    5,
    "xyzrgb, organised, lens distortion undone.",
    "publish_points",
)
DIAGNOSTICS = Topic(
    "out",
    "/diagnostics",
    "diagnostic_msgs/DiagnosticArray",
    True,
    10,
    "1 Hz: rates, latency percentiles, drops, refusals with their reasons, stale input, backend, model hash, "
    "invalid ratio.",
)

INPUTS = (IMAGE, COMPRESSED, CAMERA_INFO_IN, LENS_STATE)
MAPS = (DEPTH, DEPTH_MM, CAMERA_INFO_OUT, DEFOCUS, CONFIDENCE, COLOR, POINTS)
TOPICS = (*INPUTS, *MAPS, DIAGNOSTICS)
