"""The weighted medians on a GPU: one thread per pixel."""

from __future__ import annotations

import math

from numba import float32

from ..cuda import blocks_of, cuda, kernel, on_device
from .weighted_median import BINS


def fill_medians_on_gpu(values, guide, trust, where, radius, scales, limits, out):  # noqa: ANN001, ANN201
    """As `fill_medians`."""
    given = [on_device(plane) for plane in (values, guide, trust, where)]
    filled = on_device(out)
    _median[blocks_of(*values.shape)](*given, radius, scales, limits, filled)
    filled.copy_to_host(out)


@kernel(fastmath=True)
def _median(values, guide, trust, where, radius, scales, limits, out):  # noqa: ANN001, ANN202
    x, y = cuda.grid(2)
    height, width = values.shape
    if x >= width or y >= height or not where[y, x]:
        return
    weights, sums = cuda.local.array(BINS, float32), cuda.local.array(BINS, float32)
    for k in range(BINS):
        weights[k] = sums[k] = float32(0)
    per_bin, total = float32(BINS) / (limits[1] - limits[0]), float32(0)
    for v in range(max(0, y - radius), min(height, y + radius + 1)):
        for u in range(max(0, x - radius), min(width, x + radius + 1)):
            difference = float32(0)
            for c in range(3):
                step = guide[v, u, c] - guide[y, x, c]
                difference += step * step
            distance = float32((v - y) * (v - y) + (u - x) * (u - x))
            weight = trust[v, u] * math.exp(difference * scales[0] + distance * scales[1])
            k = min(int((values[v, u] - limits[0]) * per_bin), BINS - 1)
            weights[k] += weight
            sums[k] += weight * values[v, u]
            total += weight
    k, below = 0, weights[0]
    while below < float32(0.5) * total and k < BINS - 1:
        k += 1
        below += weights[k]
    if weights[k] > 0:
        out[y, x] = sums[k] / weights[k]
