"""How far the view has moved between two pictures, and how focusing magnifies it.

Enhanced correlation (Evangelidis and Psarakis, PAMI 2008) ignores gain and offset. Both pictures are smoothed first,
so that different blur hardly matters.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from defocus_depth.types import FloatArray

_CRITERIA = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-5)
_SAME_BLUR_PX, _OTHER_BLUR_PX = 5, 21  # side of the smoothing window
_LEAST_CORRELATION = 0.5

Affine = npt.NDArray[np.float64]


def moved_px(first: FloatArray, second: FloatArray) -> float:
    """How far the view moved between two pictures (h, w) of equal focus, px; inf where they show different things."""
    found = _aligned(first, second, cv2.MOTION_TRANSLATION, _SAME_BLUR_PX)
    return math.inf if found is None else float(np.hypot(found[0, 2], found[1, 2]))


def affine_between(first: FloatArray, second: FloatArray) -> Affine | None:
    """2x3 affine from pixels of `first` to pixels of `second`, whose focus may differ; None: not found."""
    return _aligned(first, second, cv2.MOTION_AFFINE, _OTHER_BLUR_PX)


def _aligned(first: FloatArray, second: FloatArray, motion: int, window_px: int) -> Affine | None:
    start = np.eye(2, 3, dtype=np.float32)
    inside = np.zeros(first.shape, np.uint8)  # smoothing mirrors what is at the border, which does not grow
    margin = window_px // 2
    inside[margin:-margin, margin:-margin] = 255
    try:
        correlation, found = cv2.findTransformECC(first, second, start, motion, _CRITERIA, inside, window_px)
    except cv2.error:  # does not converge: the pictures have nothing in common, or nothing in them
        return None
    return np.asarray(found, np.float64) if correlation > _LEAST_CORRELATION else None
