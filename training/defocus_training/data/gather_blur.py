"""Spatially varying blur of one layer by any convex aperture, from prefix sums: O(CoC) per pixel.

Each output pixel averages the layer over the aperture's shape scaled to the CoC found there. Rows of the shape are
spans, and a span's sum is the difference of two prefix sums. Exact for piecewise constant rows; rows are subdivided
where the shape is small, so that the energy of the blur does not jump with its size.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

SPAN_ROWS = 145  # rows in an aperture's table
SPAN_EXTENT = 1.2  # the table spans ±1.2 disc radii, because a polygon of the disc's area sticks out of the disc

FINE_RADIUS_PX = 4.0  # up to here an aperture's rows are four to a pixel


def disc_spans() -> npt.NDArray[np.float32]:
    """Left and right ends of a unit disc's rows, (SPAN_ROWS, 2)."""
    rows = np.linspace(-SPAN_EXTENT, SPAN_EXTENT, SPAN_ROWS)
    half = np.sqrt(np.maximum(0, 1 - rows**2))
    return np.stack([-half, half], 1).astype(np.float32)


def polygon_spans(blades: int, rotation_rad: float) -> npt.NDArray[np.float32]:
    """Rows of a regular polygon with the area of the unit disc; rows it does not reach are empty (0, 0)."""
    radius = np.sqrt(2 * np.pi / (blades * np.sin(2 * np.pi / blades)))
    angles = rotation_rad + 2 * np.pi * np.arange(blades) / blades
    corners = radius * np.stack([np.cos(angles), np.sin(angles)], 1)
    return _convex_rows(corners)


def cats_eye_spans(shift: float) -> npt.NDArray[np.float32]:
    """Rows of a disc cut by a second one shifted sideways by `shift` (0..1): vignetting off the axis."""
    spans = disc_spans()
    right = np.maximum(spans[:, 1] - shift, spans[:, 0])
    return np.stack([spans[:, 0], right], 1).astype(np.float32)


def _convex_rows(corners: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    spans = np.zeros((SPAN_ROWS, 2), np.float32)
    following = np.roll(corners, -1, 0)
    for index, row in enumerate(np.linspace(-SPAN_EXTENT, SPAN_EXTENT, SPAN_ROWS)):
        crossing = (corners[:, 1] <= row) != (following[:, 1] <= row)
        if crossing.any():
            start, end = corners[crossing], following[crossing]
            at = start[:, 0] + (row - start[:, 1]) / (end[:, 1] - start[:, 1]) * (end[:, 0] - start[:, 0])
            spans[index] = at.min(), at.max()
    return spans


@njit(cache=True, fastmath=True)
def _prefix(layer: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    height, width, channels = layer.shape
    sums = np.zeros((height, width + 1, channels), np.float32)
    for y in range(height):
        for x in range(width):
            for c in range(channels):
                sums[y, x + 1, c] = sums[y, x, c] + layer[y, x, c]
    return sums


@njit(cache=True, fastmath=True)
def gather_blur(
    layer: npt.NDArray[np.float32], coc_px: npt.NDArray[np.float32], spans: npt.NDArray[np.float32], margin: int
) -> npt.NDArray[np.float32]:
    """Blur `layer` (H, W, C) by |`coc_px`| (H, W); returns the inside without `margin` pixels on each side."""
    height, width, channels = layer.shape
    sums = _prefix(layer)
    out = np.zeros((height - 2 * margin, width - 2 * margin, channels), np.float32)
    total = np.zeros(channels, np.float32)
    for y in range(margin, height - margin):
        for x in range(margin, width - margin):
            radius = 0.5 * abs(coc_px[y, x])
            rows = int(2 * SPAN_EXTENT * radius * (1.0 if radius > FINE_RADIUS_PX else 4.0)) + 1
            total[:] = 0
            area = 0.0
            for k in range(rows):
                s = SPAN_EXTENT * ((2 * k + 1) / rows - 1)
                position = (s / SPAN_EXTENT + 1) * 0.5 * (spans.shape[0] - 1)
                i = min(int(position), spans.shape[0] - 2)
                f = position - i
                left = x + 0.5 + radius * (spans[i, 0] * (1 - f) + spans[i + 1, 0] * f)
                right = x + 0.5 + radius * (spans[i, 1] * (1 - f) + spans[i + 1, 1] * f)
                if right - left < 1e-3:
                    if radius > 0.01:
                        continue
                    left, right = x + 0.4995, x + 0.5005
                row = min(max(int(y + 0.5 + s * radius), 0), height - 1)
                left, right = max(left, 0.0), min(right, width - 1e-3)
                a, b = int(left), int(right)
                fa, fb = left - a, right - b
                for c in range(channels):
                    total[c] += sums[row, b, c] + fb * layer[row, b, c] - sums[row, a, c] - fa * layer[row, a, c]
                area += right - left
            for c in range(channels):
                out[y - margin, x - margin, c] = total[c] / max(area, 1e-9)
    return out
