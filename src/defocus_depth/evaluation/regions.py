"""Which pixels of a frame are textured, and which lie at depth edges.

In the manner of Scharstein & Szeliski, "A Taxonomy and Evaluation of Dense Two-Frame Stereo Correspondence
Algorithms" (IJCV 2002, section 5.1): textureless regions by the local intensity variation averaged over a window,
discontinuity regions by jumps between neighbours, dilated.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from ..types import FloatArray, ImageArray
from .pixel_table import Labels

Grey = npt.NDArray[np.uint8]
TEXTURE_THRESHOLDS = (0.01, 0.03)
"""Local standard deviation of the luminance, of full scale as delivered: below is textureless, above is strong."""
TEXTURE_WINDOWS_PER_WIDTH = 40
EDGE_JUMP = 0.05
"""Relative difference of the true depths of two neighbours that makes an edge."""
EDGE_BANDS_PER_WIDTH = 80


def luminance_u8(image: ImageArray) -> Grey:
    """uint8 (H, W) of an RGB or mono image, uint8 or uint16, as delivered (no transfer undone)."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    return np.asarray(grey if grey.dtype == np.uint8 else cv2.convertScaleAbs(grey, alpha=1 / 257), np.uint8)


def texture_levels(grey: Grey) -> Labels:
    """uint8 (H, W): 0 textureless, 1 weak, 2 strong (`pixel_table.TEXTURE_NAMES`), of the picture as it was taken.

    A window is 1/40 of the image's width, so that the levels do not depend on the resolution.

    Args:
        grey: uint8 (H, W), as `luminance_u8` gives.
    """
    window = (_odd(grey.shape[1] / TEXTURE_WINDOWS_PER_WIDTH),) * 2
    mean = cv2.boxFilter(grey, cv2.CV_32F, window)
    variance = cv2.sqrBoxFilter(grey, cv2.CV_32F, window)
    variance -= np.multiply(mean, mean, out=mean)
    low, high = ((255 * threshold) ** 2 for threshold in TEXTURE_THRESHOLDS)
    return (variance >= low).view(np.uint8) + (variance >= high).view(np.uint8)


def depth_edges(truth_m: FloatArray) -> Labels:
    """uint8 (H, W): 1 within 1/160 of the image's width of a jump in true depth, else 0.

    A jump is a relative difference above `EDGE_JUMP` between two neighbours that both have truth: holes in the truth
    make no edges, and sparse truth (LiDAR) has none.
    """
    jumps = np.zeros(truth_m.shape, np.uint8)
    _mark_jumps(np.ascontiguousarray(truth_m), jumps)
    width = _odd(truth_m.shape[1] / EDGE_BANDS_PER_WIDTH)
    return np.asarray(cv2.dilate(jumps, np.ones((width, width), np.uint8)), np.uint8)


def _odd(size: float) -> int:
    """The nearest odd whole number, at least 3."""
    return max(3, 2 * round((size - 1) / 2) + 1)


@njit(cache=True, nogil=True, error_model="numpy")
def _mark_jumps(truth_m: Any, jumps: Any) -> None:
    height, width = truth_m.shape
    for row in range(height):
        for column in range(width):
            here = truth_m[row, column]
            for down in range(2):
                if row + down >= height or column + 1 - down >= width:
                    continue
                there = truth_m[row + down, column + 1 - down]
                # false where either is NaN or infinite: no truth, no jump
                if min(here, there) > 0 and EDGE_JUMP * min(here, there) < abs(here - there) < np.inf:
                    jumps[row, column] = jumps[row + down, column + 1 - down] = 1
