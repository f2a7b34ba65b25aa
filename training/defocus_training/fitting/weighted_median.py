"""Snaps depth edges to picture edges: a median of the depths around, weighted by likeness of colour.

Source: Ma, He, Wei, Sun & Wu, "Constant time weighted median filtering for stereo matching and beyond", ICCV 2013.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numba import njit

from defocus_depth.types import FloatArray

FillMedians = Callable[..., object]
"""`fill_medians`, or what does the same elsewhere."""
BINS = 64
"""Of the histogram from which a median is read; within a bin it is the mean."""


def weighted_median(
    values: FloatArray,
    guide: FloatArray,
    trust: FloatArray,
    where: npt.NDArray[np.bool_],
    radius: int,
    colour_sigma: float,
    fill: FillMedians | None = None,
) -> FloatArray:
    """`values` (H, W) with the pixels of `where` replaced by the median around them.

    Args:
        guide: picture (H, W, 3) whose colours decide who belongs together.
        trust: weight of each pixel's own value, (H, W).
        radius: half size of the window; the weight falls with distance as a Gaussian of 2/3 of it.
        colour_sigma: difference of colour that still counts as alike, in units of the guide.
        fill: where they are computed; on one core if not given.
    """
    out = values.copy()
    limits = np.float32(values.min()), np.float32(values.max() + 1e-6)
    scales = np.float32(-0.5 / colour_sigma**2), np.float32(-0.5 / (radius / 1.5) ** 2)
    guide = np.ascontiguousarray(guide, np.float32)
    (fill or fill_medians)(values, guide, trust, where, radius, scales, limits, out)
    return out


@njit(nogil=True, cache=True, error_model="numpy", fastmath=True)
def fill_medians(values, guide, trust, where, radius, scales, limits, out):  # noqa: ANN001, ANN201
    """Write the medians of the pixels of `where` into `out`.

    Args:
        scales: factors of the squared differences of colour and of place (px²) in a weight's exponent.
        limits: ends of the histogram.
    """
    height, width = values.shape
    per_bin = np.float32(BINS) / (limits[1] - limits[0])
    weights, sums = np.zeros(BINS, np.float32), np.zeros(BINS, np.float32)
    for y in range(height):
        for x in range(width):
            if not where[y, x]:
                continue
            weights[:], sums[:] = 0, 0
            for v in range(max(0, y - radius), min(height, y + radius + 1)):
                for u in range(max(0, x - radius), min(width, x + radius + 1)):
                    difference = np.float32(0)
                    for c in range(3):
                        step = guide[v, u, c] - guide[y, x, c]
                        difference += step * step
                    distance = np.float32((v - y) * (v - y) + (u - x) * (u - x))
                    weight = trust[v, u] * np.exp(difference * scales[0] + distance * scales[1])
                    k = min(int((values[v, u] - limits[0]) * per_bin), BINS - 1)
                    weights[k] += weight
                    sums[k] += weight * values[v, u]
            half, k, below = np.float32(0.5) * weights.sum(), 0, weights[0]
            while below < half and k < BINS - 1:
                k += 1
                below += weights[k]
            if weights[k] > 0:
                out[y, x] = sums[k] / weights[k]
