"""Which pixels of a frame are textured, and which lie at depth edges.

In the manner of Scharstein & Szeliski, "A Taxonomy and Evaluation of Dense Two-Frame Stereo Correspondence
Algorithms" (IJCV 2002, section 5.1): textureless regions by the local intensity variation averaged over a window,
discontinuity regions by jumps between neighbours, dilated.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numba import njit

from ..types import FloatArray, ImageArray
from .pixel_table import Labels

TEXTURE_THRESHOLDS = (0.01, 0.03)
"""Local standard deviation of the luminance, of full scale as delivered: below is textureless, above is strong."""
TEXTURE_WINDOWS_PER_WIDTH = 40
EDGE_JUMP = 0.05
"""Relative difference of the true depths of two neighbours that makes an edge."""
EDGE_BANDS_PER_WIDTH = 80


def luminance(image: ImageArray) -> FloatArray:
    """float32 (H, W) in 0..1 of an RGB or mono image, uint8 or uint16, as delivered (no transfer undone)."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    return grey.astype(np.float32) * np.float32(1 / np.iinfo(image.dtype).max)


def texture_levels(grey: FloatArray) -> Labels:
    """uint8 (H, W): 0 textureless, 1 weak, 2 strong (`pixel_table.TEXTURE_NAMES`), of the picture as it was taken.

    A window is 1/40 of the image's width, so that the levels do not depend on the resolution.

    Args:
        grey: float32 (H, W), 0..1.
    """
    window = (_odd(grey.shape[1] / TEXTURE_WINDOWS_PER_WIDTH),) * 2
    mean = cv2.boxFilter(grey, -1, window)
    variance = cv2.sqrBoxFilter(grey, -1, window) - mean * mean
    low, high = (threshold * threshold for threshold in TEXTURE_THRESHOLDS)
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
