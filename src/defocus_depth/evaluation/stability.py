"""Flicker: how much depth changes between two frames of a scene that did not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from numba import njit

from ..types import FloatArray

STATIC_LUMINANCE = 0.02
"""Largest change of the luminance (of full scale, mean of 5x5 px) at a pixel that shows the same."""
STATIC_TRUTH = 0.01
"""Largest relative change of the true depth there, where both frames have truth."""
STEP = 2
STATIC_FRACTION = 0.5
"""A pair of frames counts when at least this part of its pixels is static."""


@dataclass(frozen=True)
class Moment:
    """What is compared between frames, (H, W) each: luminance (uint8), predicted and true depth (float32, metres)."""

    grey: npt.NDArray[np.uint8]
    predicted_m: FloatArray
    truth_m: FloatArray


def flicker_rel(before: Moment, now: Moment) -> float:
    """Mean |ln(d̂ₜ/d̂ₜ₋₁)| (about the relative change) over the static pixels that both frames predict.

    The change of the prediction where nothing changed, as the temporal metrics for video depth have it (Li et al.,
    "Enforcing Temporal Consistency in Video Depth Estimation", ICCVW 2021), without optical flow: it is taken of a
    camera at rest only. NaN unless at least half of the frame is static: picture unchanged, and truth where known.
    Of every second row and column, which neighbours resemble.
    """
    if before.grey.shape != now.grey.shape:
        return math.nan
    changes = np.asarray(cv2.blur(cv2.subtract(now.grey, before.grey, dtype=cv2.CV_16S), (5, 5)))[::STEP, ::STEP]
    maps = (before.predicted_m, now.predicted_m, before.truth_m, now.truth_m)
    static, both, change = _compare(
        changes, tuple(array[::STEP, ::STEP].astype(np.float32, copy=False) for array in maps)
    )
    return change / both if both and static >= STATIC_FRACTION * changes.size else math.nan


@njit(cache=True, nogil=True, error_model="numpy")
def _compare(changes: Any, maps: Any) -> tuple[int, int, float]:
    """Static pixels, those with both predictions, and the sum of their |ln(d̂ₜ/d̂ₜ₋₁)|."""
    static = both = 0
    total = 0.0
    for row in range(changes.shape[0]):
        for column in range(changes.shape[1]):
            old, new, old_true, new_true = (
                maps[0][row, column], maps[1][row, column], maps[2][row, column], maps[3][row, column]
            )  # fmt: skip
            if abs(changes[row, column]) > 255 * STATIC_LUMINANCE or abs(new_true - old_true) > STATIC_TRUTH * old_true:
                continue
            static += 1
            if 0 < old < np.inf and 0 < new < np.inf:
                both += 1
                total += abs(math.log(new / old))
    return static, both, total
