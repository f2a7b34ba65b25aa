"""Generated patterns: seamless (size, size) float32 fields in 0..1, one function per texture family.

All wrap around at the borders, so that a surface may repeat them. Edges are about one texel wide.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from ..types import FloatArray
from .compiled import kernel

_GLYPHS = "ABCDEFGHKLMNPRSTUVXYZabcdefghkmnopqrstuvxyz0123456789#%&@+=*"
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX)


def power_noise(rng: np.random.Generator, size: int, beta: float) -> FloatArray:
    """Gaussian noise with power spectrum 1/f^β: β = 0 is white, 2 is a natural picture, 3 is clouds."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((size, size), dtype=np.float32)) * frequency ** (-beta / 2)
    field = np.fft.irfft2(spectrum, s=(size, size))
    return (0.5 + 0.5 * np.tanh(0.7 * field / field.std())).astype(np.float32)


def noise(rng: np.random.Generator, size: int) -> FloatArray:
    """1/f^β noise of a random β."""
    return power_noise(rng, size, rng.uniform(0.6, 3.0))


def checker(rng: np.random.Generator, size: int) -> FloatArray:
    """A chequerboard of 4 to 24 squares a side."""
    squares = 2 * int(rng.integers(2, 13))
    wave = np.sin(np.pi * squares * (np.arange(size) + 0.5) / size) * size / (np.pi * squares)
    edge = np.clip(wave, -0.5, 0.5)
    return (0.5 + 2 * edge[:, None] * edge[None, :]).astype(np.float32)


def stripes(rng: np.random.Generator, size: int) -> FloatArray:
    """Parallel bars or soft waves at a random slant; some are warped."""
    across, down = int(rng.integers(0, 20)), int(rng.integers(-20, 21))
    if across == 0 and down == 0:
        across = 7
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    warp = rng.choice([0.0, 0.0, rng.uniform(0.5, 2.0)]) * (power_noise(rng, size, 3.0) - 0.5)
    wave = np.sin(2 * np.pi * (across * x + down * y + warp)) + rng.uniform(-0.6, 0.6)
    hardness = rng.choice([0.5, size / (2 * np.pi * math.hypot(across, down))])
    return (0.5 + 0.5 * np.clip(wave * hardness, -1, 1)).astype(np.float32)


def dots(rng: np.random.Generator, size: int) -> FloatArray:
    """Discs of one radius on a grid that is more or less disturbed."""
    count = int(rng.integers(5, 33))
    nearest, _, _ = _worley(_points(rng, count, rng.choice([0.0, 0.5, 1.0])), size)
    radius = rng.uniform(0.2, 0.45) / count
    return np.clip((radius - nearest) * size + 0.5, 0, 1).astype(np.float32)


def cells(rng: np.random.Generator, size: int) -> FloatArray:
    """Voronoi cells, each of its own level, with or without dark seams."""
    count = int(rng.integers(4, 28))
    nearest, second, owner = _worley(_points(rng, count, 1.0), size)
    level = rng.random(count * count, dtype=np.float32)[owner]
    seam = rng.choice([0.0, rng.uniform(0.02, 0.12) / count])
    return (level * np.clip((second - nearest - seam) * size + 0.5, 0, 1)).astype(np.float32)


def bricks(rng: np.random.Generator, size: int) -> FloatArray:
    """Running bond: bricks of varied level, bright or dark mortar."""
    rows = 2 * int(rng.integers(2, 9))
    columns = max(2, rows // int(rng.integers(1, 4)))
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    row = np.floor(y * rows)
    along = x * columns + 0.5 * (row % 2)
    level = rng.uniform(0.3, 0.9, (rows, columns)).astype(np.float32)
    brick = level[row.astype(np.int32), np.floor(along).astype(np.int32) % columns]
    gap_x, gap_y = (0.5 - np.abs(along % 1 - 0.5)) / columns, (0.5 - np.abs(y * rows % 1 - 0.5)) / rows
    inside = np.clip((np.minimum(gap_x, gap_y) - rng.uniform(0.03, 0.1) / rows) * size + 0.5, 0, 1)
    mortar = rng.choice([0.05, 1.0])
    return (mortar + (brick - mortar) * inside).astype(np.float32)


def wood(rng: np.random.Generator, size: int) -> FloatArray:
    """Growth rings cut lengthwise: warped lines with fine fibres along them."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    warp = 2 * rng.uniform(0.5, 1.5) * (power_noise(rng, size, 4.5) - 0.5)
    rings = np.sin(2 * np.pi * (int(rng.integers(3, 10)) * y + warp)) ** 2
    fibre = cv2.blur(power_noise(rng, size, 0.5), (31, 1), borderType=cv2.BORDER_REFLECT)
    return np.clip(0.75 * rings + 0.8 * (fibre - 0.5) + 0.1, 0, 1).astype(np.float32)


def glyphs(rng: np.random.Generator, size: int) -> FloatArray:
    """Lines of random characters in one font, like a page, a label or a poster."""
    page = np.zeros((size, size), np.uint8)
    scale = float(rng.uniform(0.4, 2.5))
    font, thickness = int(rng.choice(_FONTS)), max(1, round(scale * rng.uniform(0.8, 2.0)))
    line_px = int(34 * scale)
    for baseline in range(line_px, size, line_px):
        line = "".join(rng.choice(list(_GLYPHS + " " * 8), size // max(1, int(14 * scale))))
        cv2.putText(page, line, (int(4 * scale), baseline), font, scale, 255, thickness, cv2.LINE_AA)
    return (page / 255).astype(np.float32)


def sparkles(rng: np.random.Generator, size: int) -> FloatArray:
    """A few small bright points on dark: they show the lens's blur disc."""
    count = int(rng.integers(3, 9))
    nearest, _, owner = _worley(_points(rng, count, 1.0), size)
    strength = rng.uniform(0.2, 1.0, count * count).astype(np.float32)[owner]
    return (strength * np.clip(4.0 - nearest * size, 0, 1)).astype(np.float32)


def _points(rng: np.random.Generator, count: int, disorder: float) -> np.ndarray:
    """One point in each of count×count grid cells, (count, count, 2) in cell units."""
    return 0.5 + disorder * (rng.random((count, count, 2)) - 0.5)


@kernel
def _worley(points: np.ndarray, size: int):  # noqa: ANN202 - numba infers (nearest, second, owner)
    """Distances (in tile widths) to the nearest and second nearest point, and the nearest point's index."""
    count = points.shape[0]
    nearest = np.empty((size, size), np.float32)
    second = np.empty((size, size), np.float32)
    owner = np.empty((size, size), np.int32)
    for row in range(size):
        for column in range(size):
            y, x = (row + 0.5) * count / size, (column + 0.5) * count / size
            best, runner_up, best_owner = 1e9, 1e9, 0
            for cell_y in range(int(y) - 1, int(y) + 2):
                for cell_x in range(int(x) - 1, int(x) + 2):
                    point = points[cell_y % count, cell_x % count]
                    distance = (cell_x + point[0] - x) ** 2 + (cell_y + point[1] - y) ** 2
                    if distance < best:
                        runner_up, best = best, distance
                        best_owner = (cell_y % count) * count + cell_x % count
                    elif distance < runner_up:
                        runner_up = distance
            nearest[row, column] = math.sqrt(best) / count
            second[row, column] = math.sqrt(runner_up) / count
            owner[row, column] = best_owner
    return nearest, second, owner
