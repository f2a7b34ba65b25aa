"""Ground truth in the pixels of the image it is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from ...errors import BagError
from ...messages.camera_info import MAX_ASPECT_DIFFERENCE, CameraModel, camera_model, is_calibrated
from ...types import FloatArray
from .reprojection import reprojected
from .transforms import Matrix, TransformTree

_SAME_PX = 0.5  # cameras whose corners project this close are one


@dataclass(frozen=True)
class Placed:
    """Where something was seen: its size (H, W), its frame_id, and its camera_info (None: none was recorded)."""

    size: tuple[int, int]
    frame_id: str
    info: Any


@dataclass
class TruthAligner:
    """Places depth images: as they are where they are registered, resized or reprojected where they are not.

    Attributes:
        path: of the bag, for messages.
        registered: take them as registered whatever their frame_id says.
        done: what had to be done to them, in words.
    """

    path: Any
    transforms: TransformTree
    registered: bool = False
    done: set[str] = field(default_factory=set)

    def align(self, depth_m: FloatArray, truth: Placed, image: Placed) -> FloatArray:
        """Depth (m) of the image's size and camera, NaN where unknown.

        Raises:
            BagError: frames differ and nothing says how they are to each other, or a camera is not calibrated that
                has to be.
            ImageError: a camera_info that does not fit its image.
        """
        same_frame = truth.frame_id.lstrip("/") == image.frame_id.lstrip("/")
        if self.registered or (same_frame and self._same_camera(truth, image)):
            return self._resized(depth_m, image)
        pose = np.eye(4) if same_frame else self.transforms.find(image.frame_id, truth.frame_id)
        if pose is None:
            raise BagError(
                f"{self.path}: ground truth in frame {truth.frame_id!r}: expected it in the images' frame "
                f"{image.frame_id!r}, or a transform between them in /tf_static or an extrinsics file, got neither"
            )
        return self._reprojected(depth_m, truth, image, pose)

    def _same_camera(self, truth: Placed, image: Placed) -> bool:
        """Whether the depth image is the image's twin, as far as anybody knows."""
        if not (_calibrated(truth) and _calibrated(image)):
            return True
        theirs, ours = (_model(placed, image.size) for placed in (truth, image))
        if theirs is None or ours is None or _distortion(theirs) != _distortion(ours):
            return False
        height, width = image.size
        corners = np.array([[0.0, 0.0], [width, height]])
        return bool(np.all(np.abs(_seen(theirs, corners) - _seen(ours, corners)) * ours.intrinsics.fx < _SAME_PX))

    def _resized(self, depth_m: FloatArray, image: Placed) -> FloatArray:
        if depth_m.shape == image.size:
            return depth_m
        height, width = image.size
        if abs(depth_m.shape[1] * height / (depth_m.shape[0] * width) - 1) > MAX_ASPECT_DIFFERENCE:
            raise BagError(
                f"{self.path}: ground truth: expected the shape of the images {width}x{height}, "
                f"got {depth_m.shape[1]}x{depth_m.shape[0]} and no camera_info to reproject it with"
            )
        self.done.add("ground truth resized to the images")
        return np.asarray(cv2.resize(depth_m, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.float32)

    def _reprojected(self, depth_m: FloatArray, truth: Placed, image: Placed, pose: Matrix) -> FloatArray:
        for role, placed in (("ground truth's", truth), ("images'", image)):
            if not _calibrated(placed):
                got = "none" if placed.info is None else "one with K of zeros"
                raise BagError(
                    f"{self.path}: the {role} camera_info: expected a calibrated one to reproject, got {got}"
                )
        source = camera_model(truth.info, truth.size[1], truth.size[0])
        target = camera_model(image.info, image.size[1], image.size[0])
        self.done.add(f"ground truth reprojected from {truth.frame_id!r} into {image.frame_id!r}")
        return reprojected(depth_m, source, target, pose)


def _calibrated(placed: Placed) -> bool:
    return placed.info is not None and is_calibrated(placed.info)


def _model(placed: Placed, size: tuple[int, int]) -> CameraModel | None:
    """The camera if its image were resized to `size`; None where its shape is another."""
    model = camera_model(placed.info, placed.size[1], placed.size[0])
    height, width = size
    if abs(placed.size[1] * height / (placed.size[0] * width) - 1) > MAX_ASPECT_DIFFERENCE:
        return None
    return CameraModel(model.intrinsics.scaled(width, height), model.distortion_model)


def _distortion(model: CameraModel) -> tuple[str, ...]:
    """What bends rays, if anything does."""
    values = model.intrinsics.distortion
    return (model.distortion_model, *map(str, values)) if any(values) else ()


def _seen(model: CameraModel, pixels: Any) -> Any:
    """x/z and y/z of pixels without regard to distortion."""
    camera = model.intrinsics
    return (pixels - (camera.cx, camera.cy)) / (camera.fx, camera.fy)
