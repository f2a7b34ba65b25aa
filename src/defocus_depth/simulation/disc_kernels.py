"""Uniform blur discs on the pixel grid, as the few places of each row where the disc begins and ends.

A disc's weights differ from their left neighbours at its rim only. Adding those differences instead of the weights,
and summing along the rows afterwards, costs a disc's circumference instead of its area.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..types import FloatArray
from .compiled import kernel

STEP_PX = 0.125  # between the tabulated diameters
LINES_PER_PIXEL = 16  # rows in which a disc is integrated
LEAST_LINES = 64


class DiscTable(NamedTuple):
    """Discs of diameter 0, STEP_PX, 2·STEP_PX …; disc i has the entries starts[i] to starts[i + 1].

    Attributes:
        rows, columns: int32 (N,), place of an entry relative to the disc's centre.
        rises: float32 (N,), weight there less the weight of the pixel to the left; a disc's weights sum to 1.
        starts: int64 (discs + 1,).
        reach_px: pixels of the largest disc on each side of its centre; rises end one column farther right.
    """

    rows: npt.NDArray[np.int32]
    columns: npt.NDArray[np.int32]
    rises: FloatArray
    starts: npt.NDArray[np.int64]
    reach_px: int


@functools.lru_cache(maxsize=8)
def disc_table(largest_px: int) -> DiscTable:
    """Discs of diameters up to `largest_px`, each with the standard deviation of a quarter of its diameter per axis.

    A disc cut into pixels is wider than the disc itself by what a pixel is wide, and pictures are made of pixels
    already: the discs are drawn as much smaller.
    """
    radii = np.arange(round(largest_px / STEP_PX) + 1, dtype=np.float64) * (0.5 * STEP_PX)
    grids = [_disc(radius) for radius in _drawn_radii(radii)]
    starts = np.cumsum(np.array([0] + [int(np.count_nonzero(grid)) for grid in grids], np.int64))
    places = [np.nonzero(grid) for grid in grids]
    rows = np.concatenate([place[0] - len(grid) // 2 for place, grid in zip(places, grids, strict=True)])
    columns = np.concatenate([place[1] - len(grid) // 2 for place, grid in zip(places, grids, strict=True)])
    rises = np.concatenate([grid[place] for place, grid in zip(places, grids, strict=True)])
    reach_px = len(grids[-1]) // 2
    return DiscTable(rows.astype(np.int32), columns.astype(np.int32), rises.astype(np.float32), starts, reach_px)


def _drawn_radii(radii: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Radii at which discs cut into pixels have the second moment of uncut discs of `radii`."""
    drawn = np.linspace(0, radii[-1] + 0.5, 4 * len(radii))
    deviations = np.maximum.accumulate([_deviation(_disc(radius)) for radius in drawn])
    return np.interp(radii / 2, deviations, drawn)


def _disc(radius: float) -> npt.NDArray[np.float64]:
    """Rises of the disc's weights, (2·half + 1, 2·half + 2)."""
    half = math.ceil(radius + 0.5) if radius > 0 else 0
    rises = np.zeros((2 * half + 1, 2 * half + 2))
    _add_lines(radius, half, rises)
    return rises


def _deviation(rises: npt.NDArray[np.float64]) -> float:
    weights = np.cumsum(rises, axis=1)[:, :-1]
    place = np.arange(len(weights)) - len(weights) // 2
    return math.sqrt(max(0.0, 0.5 * float((weights * (place[:, None] ** 2 + place**2)).sum())))


@kernel
def _add_lines(radius, half, rises):  # noqa: ANN001, ANN202
    """Sum the disc's lines, each exact along x, and scale to a sum of 1."""
    lines = max(LEAST_LINES, int(math.ceil(2 * radius * LINES_PER_PIXEL)))
    area = 0.0
    for line in range(lines):
        y = radius * ((2 * line + 1) / lines - 1)
        reach = math.sqrt(max(radius * radius - y * y, 0.0)) + 1e-6
        row = int(math.floor(y + 0.5)) + half
        area += 2 * reach
        for end, sign in ((-reach, 1.0), (reach, -1.0)):
            at = end + half + 0.5
            column = int(math.floor(at))
            part = at - column  # of this column that lies left of the end
            rises[row, column] += sign * (1 - part)
            rises[row, column + 1] += sign * part
    rises /= area
