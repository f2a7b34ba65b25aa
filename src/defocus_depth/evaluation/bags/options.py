"""What is on a recording's topics: the options of `evaluate-bag` and `replay`, and the bags of a scenario file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ...errors import ConfigError
from ...types import AUTO_TRANSFER, TRANSFERS


@dataclass(frozen=True)
class BagOptions:
    """What is on the recording's topics ('': there is no such topic), and how ground truth is matched to the images.

    Raises:
        ConfigError: a value out of its range.
    """

    image_topic: str
    """Topic of the images: sensor_msgs Image or CompressedImage."""
    camera_info_topic: str = ""
    """Topic of the images' CameraInfo: needed for a region of interest and to reproject ground truth."""
    ground_truth_topic: str = ""
    """Topic of depth images (16UC1 mm or 32FC1 m; raw, compressedDepth or PNG); without it only counts, valid fraction
    and confidence are known."""
    ground_truth_info_topic: str = ""
    """Topic of the ground truth's CameraInfo; the one beside it if not given."""
    lens_state_topic: str = ""
    """Topic of the focus distance: JointState (focus_distance, m); without a node also Float32 or Float64 (m)."""
    focus_distance_m: float | None = None
    """Focus distance (m, inf allowed) where no lens state was recorded; the lens file's near focus if not given."""
    tolerance_s: float = 0.075
    """Longest time (s) between the stamps of an image and its ground truth."""
    lens_state_max_age_s: float = 0.0
    """Oldest lens state (s before the image) that still holds; 0: it holds for ever."""
    transfer: str = AUTO_TRANSFER
    """Encoding of the images' values: srgb, linear, gamma, or auto: as their pixel format suggests."""
    registered: bool = False
    """The ground truth is registered to the images, whatever its frame_id and camera_info say."""
    extrinsics: Path | None = None
    """YAML file of transforms between the cameras' frames, beside /tf_static."""

    def __post_init__(self) -> None:
        for name in ("tolerance_s", "lens_state_max_age_s"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name}: expected a finite number ≥ 0, got {getattr(self, name)}")
        if self.focus_distance_m is not None and not self.focus_distance_m > 0:  # also refuses NaN
            raise ConfigError(f"focus_distance_m: expected > 0 m, inf allowed, got {self.focus_distance_m}")
        if self.transfer not in (AUTO_TRANSFER, *TRANSFERS):
            allowed = ", ".join((AUTO_TRANSFER, *TRANSFERS))
            raise ConfigError(f"transfer: expected one of {allowed}, got {self.transfer!r}")


@dataclass(frozen=True)
class OfflineBagOptions(BagOptions):
    """What is on the recording's topics, and whether its images are changed first."""

    render_defocus: bool = False
    """Render the lens's blur into the images by their ground truth first: for recordings of sharp RGB-D cameras."""
