"""A focusing camera without hardware: tours procedural scenes, with exact depth beside every picture.

Publishes `image` (rgb8), `camera_info`, `lens_state` and `ground_truth/depth/image` (32FC1 m). Pictures at the first
focus distance are rendered before it starts and kept on disk. `focus_distance_m` can be set at run time: the lens
travels there, and pictures at any other focus are rendered as they are needed, as fast as the processor allows.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass, fields

import cv2
import numpy as np
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.utilities import try_shutdown
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Header

from ..errors import ConfigError
from ..optics import focus_distance_m, focus_dpt
from ..simulation.focus_motor import FocusMotor
from ..simulation.rigs import RIGS, Rig
from ..simulation.tour import Tour, TourOptions, cache_folder
from ..types import FloatArray, ImageArray
from .executable import run_node
from .messages.encode import image_message
from .parameter_server import ParameterServer
from .parameters import parameter, parameter_specs

_LINGER_S = 1.0  # after the last frame, so that it arrives before the process ends
_LENS_STATE_DEPTH = 50


@dataclass(frozen=True)
class SimulatedCameraParameters:
    """Every parameter of the simulated camera with its default, description and range.

    Raises:
        ConfigError: a value outside its range.
    """

    rig: str = parameter(
        TourOptions.rig, "Lens, view and depths of the scenes.", choices=tuple(RIGS), applies="at start"
    )
    width_px: int = parameter(
        TourOptions.width_px, "Width of the pictures (px), 4:3.", minimum=64, maximum=4096, applies="at start"
    )
    scenes: int = parameter(TourOptions.scenes, "Scenes to tour.", minimum=1, maximum=1000, applies="at start")
    views_per_scene: int = parameter(
        TourOptions.views_per_scene,
        "Views along the path through a scene.",
        minimum=1,
        maximum=1000,
        applies="at start",
    )
    first_seed: int = parameter(
        TourOptions.first_seed, "Number of the first scene.", minimum=0, maximum=900_000, applies="at start"
    )
    samples_per_pixel: int = parameter(
        TourOptions.samples_per_pixel, "Rays per pixel.", minimum=1, maximum=4096, applies="at start"
    )
    rate_hz: float = parameter(30.0, "Pictures per second (Hz).", minimum=0.1, maximum=500.0, applies="at start")
    frames: int = parameter(
        0, "Pictures after which the camera ends; 0: never.", minimum=0, maximum=2**31 - 1, applies="at start"
    )
    wait_for_subscribers: int = parameter(
        0, "Subscriptions to `image` to wait for before the first picture.", minimum=0, maximum=100, applies="at start"
    )
    focus_distance_m: float = parameter(
        0.0, "Focus distance (m), 0: the rig's near focus.", minimum=0.0, maximum=1e4, inf_allowed=True
    )
    travel_dpt_per_s: float = parameter(
        12.0, "Speed of the focus motor (dpt/s).", minimum=0.01, maximum=1e4, applies="at start"
    )
    breathing_per_dpt: float = parameter(
        0.0, "Focus breathing: growth of the image per dioptre of nearer focus.", minimum=-0.2, maximum=0.2
    )
    frame_id: str = parameter("camera_optical_frame", "frame_id of the headers.", applies="at start")

    def __post_init__(self) -> None:
        for spec in parameter_specs(type(self)):
            spec.check(getattr(self, spec.name))

    def tour(self) -> TourOptions:
        """Which scenes are rendered and how."""
        return TourOptions(**{field.name: getattr(self, field.name) for field in fields(TourOptions)})

    def focus_m(self, rig: Rig) -> float:
        """The focus distance asked for (m)."""
        return self.focus_distance_m or rig.near_focus_m


class SimulatedCamera(Node):
    """The camera as a node; `spin` it."""

    def __init__(self) -> None:
        super().__init__("simulated_camera")
        self._moving = False
        self._server = ParameterServer(self, SimulatedCameraParameters, lambda: True, self._accept)
        values = self._server.values
        self._tour = Tour(values.tour(), cache_folder() / "simulated_camera")
        self._first_focus_m = values.focus_m(self._tour.rig)
        self._motor = FocusMotor(focus_dpt(self._first_focus_m, self._tour.rig.lens), values.travel_dpt_per_s)
        self._image = self.create_publisher(Image, "image", 5)
        self._truth = self.create_publisher(Image, "ground_truth/depth/image", 5)
        self._camera_info = self.create_publisher(CameraInfo, "camera_info", 5)
        self._lens_state = self.create_publisher(JointState, "lens_state", QoSProfile(depth=_LENS_STATE_DEPTH))
        self._published, self._ended_s = 0, math.inf
        self._prepare()
        self._moving = True
        self._timer = self.create_timer(1.0 / values.rate_hz, self._tick)

    def _prepare(self) -> None:
        self.get_logger().info(f"preparing {self._tour.options.frames} views at {self._first_focus_m:g} m")
        self._tour.prepare(self._first_focus_m, self._log_progress)
        self.get_logger().info("ready")

    def _log_progress(self, done: int, total: int) -> None:
        self.get_logger().info(f"rendered {done} of {total} views", throttle_duration_sec=2.0)

    def _accept(self, parameters: SimulatedCameraParameters) -> None:
        if not self._moving:
            return
        rig = self._tour.rig
        target_dpt = focus_dpt(parameters.focus_m(rig), rig.lens)
        rig.blur_gain_px_per_dpt(parameters.focus_m(rig))  # refuses a distance inside the focal length
        self._motor.go_to(target_dpt, time.monotonic())

    def _tick(self) -> None:
        values = self._server.values
        if values.frames and self._published >= values.frames:
            self._end_after_a_while()
        elif self._published or self.count_subscribers(self._image.topic_name) >= values.wait_for_subscribers:
            self._publish(values)

    def _end_after_a_while(self) -> None:
        self._ended_s = min(self._ended_s, time.monotonic())
        if time.monotonic() - self._ended_s > _LINGER_S:
            try_shutdown()

    def _publish(self, values: SimulatedCameraParameters) -> None:
        state = self._motor.at(time.monotonic())
        distance_m = self._distance_m(state.focus_dpt)
        image, depth_m = self._tour.frame(self._published, distance_m)
        first_dpt = focus_dpt(self._first_focus_m, self._tour.rig.lens)
        scale = 1 + values.breathing_per_dpt * (state.focus_dpt - first_dpt)
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=values.frame_id)
        self._lens_state.publish(lens_state_message(header, distance_m, state.velocity_dpt_per_s))
        self._camera_info.publish(camera_info_message(header, self._tour.rig, scale))
        self._image.publish(image_message(header, magnified(image, scale, cv2.INTER_LINEAR), "rgb8"))
        self._truth.publish(image_message(header, magnified(depth_m, scale, cv2.INTER_NEAREST), "32FC1"))
        self._published += 1

    def _distance_m(self, at_dpt: float) -> float:
        """The focus distance; exactly the first one where the lens stands there, because its pictures are stored."""
        rig = self._tour.rig
        standing = at_dpt == focus_dpt(self._first_focus_m, rig.lens)
        return self._first_focus_m if standing else focus_distance_m(at_dpt, rig.lens)


def lens_state_message(header: Header, distance_m: float, velocity_dpt_per_s: float) -> JointState:
    """Focus distance (m) and its rate (m/s): d(1/F)/dt = −F'·s²; a rate at infinity is written as in dioptres."""
    rate = -velocity_dpt_per_s * (distance_m**2 if math.isfinite(distance_m) else 1.0)
    return JointState(header=header, name=["focus_distance"], position=[distance_m], velocity=[rate])


def camera_info_message(header: Header, rig: Rig, scale: float = 1.0) -> CameraInfo:
    """Intrinsics of the rig, the image magnified by `scale` about its centre; no distortion."""
    camera = rig.camera
    middle_x, middle_y = (camera.width - 1) / 2, (camera.height - 1) / 2
    fx, fy = camera.fx * scale, camera.fy * scale
    cx, cy = middle_x + (camera.cx - middle_x) * scale, middle_y + (camera.cy - middle_y) * scale
    return CameraInfo(
        header=header,
        width=camera.width,
        height=camera.height,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def magnified(picture: ImageArray | FloatArray, scale: float, interpolation: int) -> ImageArray:
    """The picture magnified about its centre, same size and dtype; edges are repeated."""
    if scale == 1.0:
        return np.ascontiguousarray(picture)
    if scale <= 0:
        raise ConfigError(f"focus breathing: expected a magnification > 0, got {scale:g}")
    height, width = picture.shape[:2]
    shift = ((width - 1) / 2 * (1 - scale), (height - 1) / 2 * (1 - scale))
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    return cv2.warpAffine(picture, matrix, (width, height), flags=interpolation, borderMode=cv2.BORDER_REPLICATE)


def main(args: list[str] | None = None) -> int:
    """Entry point of the executable `simulated_camera`."""
    return run_node(SimulatedCamera, args)


if __name__ == "__main__":
    sys.exit(main())
