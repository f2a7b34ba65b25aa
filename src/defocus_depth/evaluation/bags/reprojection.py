"""A depth image of one camera as another camera, which stands elsewhere, would have measured it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ...messages.camera_info import CameraModel
from ...messages.rays import pixels_of_rays, ray_table
from ...types import FloatArray
from .transforms import Matrix

_LARGEST_SPLAT_PX = 8.0
_rays = lru_cache(maxsize=4)(ray_table)


def reprojected(
    depth_m: FloatArray, source: CameraModel, target: CameraModel, target_from_source: Matrix
) -> FloatArray:
    """Depth (m along the target's axis), float32 of the target's size; NaN where no measured pixel falls.

    Every pixel is a small square facing the camera: it covers the target's pixels whose centres it hits, and the
    nearest of those that hit one wins. Both cameras' distortion is respected.

    Args:
        depth_m: float32 (H, W) of the source's size, NaN unknown.
        target_from_source: (4, 4), from the source's optical frame into the target's.

    Raises:
        ImageError: a distortion that OpenCV does not have.
    """
    known = np.isfinite(depth_m)
    z = depth_m[known].astype(np.float64)
    points = np.column_stack([_rays(source)[known] * z[:, None], z]) @ target_from_source[:3, :3].T
    points += target_from_source[:3, 3]
    ahead = points[:, 2] > 0
    points, z = points[ahead], z[ahead]
    pixels = pixels_of_rays(target, points[:, :2] / points[:, 2:])
    zoom = np.array([target.intrinsics.fx / source.intrinsics.fx, target.intrinsics.fy / source.intrinsics.fy])
    half_px = np.clip(0.5 * zoom * (z / points[:, 2])[:, None], 0.5, _LARGEST_SPLAT_PX)
    return _nearest(pixels, half_px, points[:, 2], (target.intrinsics.height, target.intrinsics.width))


def _nearest(
    pixels: npt.NDArray[np.float64], half_px: npt.NDArray[np.float64], z: npt.NDArray[np.float64], size: tuple[int, int]
) -> FloatArray:
    """The least z of the squares (centre x, y and half a side, (N, 2) each) over every pixel centre."""
    height, width = size
    nearest = np.full(height * width, np.inf, np.float32)
    inside = np.all((pixels + half_px >= 0) & (pixels - half_px <= (width - 1, height - 1)), axis=1)
    pixels, half_px, z = pixels[inside], half_px[inside], z[inside]
    first = np.ceil(pixels - half_px)
    most = int(np.ceil(2 * half_px.max())) if len(z) else 0
    for down in range(most):
        for across in range(most):
            at = first + (across, down)
            hit = np.all((at < pixels + half_px) & (at >= 0) & (at < (width, height)), axis=1)
            index = (at[hit, 1] * width + at[hit, 0]).astype(np.intp)
            np.minimum.at(nearest, index, z[hit].astype(np.float32))
    return np.where(np.isfinite(nearest), nearest, np.float32(np.nan)).reshape(size)
