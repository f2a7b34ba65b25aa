"""Piecewise smooth depth from a cost volume: semi-global matching along eight directions.

Source: Hirschmüller, "Stereo processing by semiglobal matching and mutual information", PAMI 2008. Steps of one or
two hypotheses are cheap, larger ones cost a constant; both are cheaper across edges of the guide picture.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from defocus_depth.types import FloatArray

_DIRECTIONS = np.array([(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1)])
_TWO_STEPS = np.float32(2.5)  # cost of a step of two hypotheses and of any larger one, in steps of one
_JUMP = np.float32(8.0)


def semi_global(cost: FloatArray, links: tuple[FloatArray, FloatArray], step_cost: float) -> FloatArray:
    """Aggregated costs, (K, H, W).

    Args:
        cost: (K, H, W).
        links: strength 0..1 of the links between columns x and x+1 (H, W−1), and rows y and y+1 (H−1, W).
        step_cost: what a change by one hypothesis costs at full strength.
    """
    by_pixel = np.ascontiguousarray(cost.transpose(1, 2, 0))
    total = np.zeros_like(by_pixel)
    for down, right in _DIRECTIONS:
        _sweep(by_pixel, *links, int(down), int(right), np.float32(step_cost), total)
    return np.ascontiguousarray(total.transpose(2, 0, 1))


@njit(nogil=True, cache=True, error_model="numpy", fastmath=True)
def _sweep(cost, across, along, down, right, step_cost, total):
    height, width, count = cost.shape
    path = np.zeros_like(cost)
    for row in range(height):
        y = row if down >= 0 else height - 1 - row
        for column in range(width):
            x = column if right >= 0 else width - 1 - column
            v, u = y - down, x - right
            if v < 0 or v >= height or u < 0 or u >= width:
                for k in range(count):
                    path[y, x, k] = cost[y, x, k]
                    total[y, x, k] += cost[y, x, k]
                continue
            strength = np.float32(1)
            if right != 0:
                strength = min(strength, across[y, min(x, u)])
            if down != 0:
                strength = min(strength, along[min(y, v), x])
            _advance(path[v, u], cost[y, x], step_cost * strength, path[y, x])
            for k in range(count):
                total[y, x, k] += path[y, x, k]
    return total


@njit(nogil=True, cache=True, error_model="numpy", fastmath=True)
def _advance(before, cost, step_cost, after):
    count = len(cost)
    least = before[0]
    for k in range(1, count):
        least = min(least, before[k])
    for k in range(count):
        best = min(before[k], least + _JUMP * step_cost)
        if k > 0:
            best = min(best, before[k - 1] + step_cost)
        if k < count - 1:
            best = min(best, before[k + 1] + step_cost)
        if k > 1:
            best = min(best, before[k - 2] + _TWO_STEPS * step_cost)
        if k < count - 2:
            best = min(best, before[k + 2] + _TWO_STEPS * step_cost)
        after[k] = cost[k] + best - least
