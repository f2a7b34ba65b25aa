"""The camera that the images come from: its newest CameraInfo, and what follows from it, computed once."""

from __future__ import annotations

from typing import Any

from ..errors import ImageError
from ..messages.camera_info import CameraModel, camera_model, full_width_px
from ..messages.rays import ray_table
from ..types import FloatArray

_Key = tuple[Any, ...]


class CameraTracker:
    """Keeps the newest sensor_msgs/CameraInfo and the ray table that belongs to it. One thread writes, one reads."""

    def __init__(self) -> None:
        self._info: Any = None
        self._key: _Key = ()
        self._rays: FloatArray | None = None

    @property
    def info(self) -> Any:
        """The newest message, or None."""
        return self._info

    def update(self, info: Any) -> None:
        """Take the newest message."""
        self._info = info

    def full_width_px(self, width: int) -> float:
        """Width of the uncropped image at the scale of an image `width` px wide."""
        info = self._info
        return full_width_px(info, width) if info is not None else float(width)

    def rays(self, width: int, height: int) -> FloatArray:
        """The ray table (H, W, 2) of images `width` x `height` px.

        Raises:
            ImageError: no camera_info yet, K of zeros, another image's shape, or unknown distortion.
        """
        info = self._info
        if info is None:
            raise ImageError("camera_info: expected one for the point cloud, received none")
        model = camera_model(info, width, height)
        if self._rays is None or self._key != _key(model):
            self._rays, self._key = ray_table(model), _key(model)
        return self._rays


def _key(model: CameraModel) -> _Key:
    return model.intrinsics, model.distortion_model
