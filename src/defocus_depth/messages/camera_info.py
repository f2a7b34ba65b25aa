"""sensor_msgs/CameraInfo ↔ intrinsics: which pinhole an image of a given size belongs to.

K in a CameraInfo holds for the full sensor image; the message's region of interest and binning say what part
of it is delivered (same arithmetic as image_geometry's PinholeCameraModel). A remaining isotropic difference in size
is a resize.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from ..errors import ImageError
from ..types import CameraIntrinsics

UNDISTORTED = "plumb_bob"
MAX_ASPECT_DIFFERENCE = 0.02


@dataclass(frozen=True)
class CameraModel:
    """Intrinsics of an image as delivered, and the distortion model they are meant with.

    Attributes:
        intrinsics: for the image's own width and height; `distortion` as in the message's D.
        distortion_model: as in the message: plumb_bob, rational_polynomial or equidistant.
    """

    intrinsics: CameraIntrinsics
    distortion_model: str


def is_calibrated(info: Any) -> bool:
    """Whether the CameraInfo holds intrinsics: drivers without a calibration send K of zeros."""
    return bool(info.k[0] > 0 and info.k[4] > 0)


def camera_model(info: Any, width: int, height: int) -> CameraModel:
    """The camera of an image `width` x `height` px that came with the CameraInfo `info`.

    Raises:
        ImageError: K of zeros, or a size that no resize of the CameraInfo's image has.
    """
    if not is_calibrated(info):
        raise ImageError(f"camera_info: expected fx, fy > 0 in K, got {info.k[0]} and {info.k[4]}")
    delivered_width, delivered_height = _delivered_size(info)
    _check_aspect(delivered_width, delivered_height, width, height)
    bin_x, bin_y = max(1, info.binning_x), max(1, info.binning_y)
    delivered = CameraIntrinsics(
        delivered_width,
        delivered_height,
        info.k[0] / bin_x,
        info.k[4] / bin_y,
        (info.k[2] - info.roi.x_offset) / bin_x,
        (info.k[5] - info.roi.y_offset) / bin_y,
        tuple(float(value) for value in info.d),
    )
    return CameraModel(delivered.scaled(width, height), info.distortion_model or UNDISTORTED)


def full_width_px(info: Any, width: int) -> float:
    """Width (px of the image's own scale) that an image `width` px wide would have without its region of interest."""
    return width * info.width / info.roi.width if info.roi.width and info.width else float(width)


def camera_info_for(info: Any, header: Any, width: int, height: int) -> Any:
    """A copy of the CameraInfo under `header`, for maps `width` x `height` px.

    Unchanged but for the header where the sizes agree; else K and P are scaled and describe the maps alone
    (no region of interest, no binning).

    Raises:
        ImageError: a size that no resize of the CameraInfo's image has.
    """
    scaled = copy.deepcopy(info)
    scaled.header = header
    delivered_width, delivered_height = _delivered_size(info)
    if (delivered_width, delivered_height) == (width, height) or info.width == 0:
        return scaled
    _check_aspect(delivered_width, delivered_height, width, height)
    ratio_x, ratio_y = width / delivered_width, height / delivered_height
    for matrix, columns in ((scaled.k, 3), (scaled.p, 4)):
        _scale_row(matrix, 0, columns, info.roi.x_offset, ratio_x / max(1, info.binning_x), ratio_x)
        _scale_row(matrix, columns, columns, info.roi.y_offset, ratio_y / max(1, info.binning_y), ratio_y)
    scaled.width, scaled.height = width, height
    scaled.binning_x = scaled.binning_y = 0
    scaled.roi = type(info.roi)()
    return scaled


def _scale_row(matrix: Any, row: int, columns: int, offset: int, ratio: float, resize: float) -> None:
    if not any(matrix[row : row + columns]):
        return
    centre = matrix[row + 2] - offset
    for column in range(columns):
        matrix[row + column] *= ratio
    # Binning keeps image_geometry's convention, the resize keeps pixel centres: (c + ½)·r − ½.
    matrix[row + 2] = centre * ratio + 0.5 * resize - 0.5


def _delivered_size(info: Any) -> tuple[int, int]:
    width = info.roi.width or info.width
    height = info.roi.height or info.height
    return width // max(1, info.binning_x), height // max(1, info.binning_y)


def _check_aspect(info_width: int, info_height: int, width: int, height: int) -> None:
    if info_width < 1 or info_height < 1:
        raise ImageError(
            f"camera_info: size: expected that of the image {width}x{height}, got {info_width}x{info_height}"
        )
    if abs(info_width * height / (info_height * width) - 1) > MAX_ASPECT_DIFFERENCE:
        raise ImageError(
            f"camera_info: expected the shape of the image {width}x{height} (or a multiple), "
            f"got {info_width}x{info_height}"
        )
