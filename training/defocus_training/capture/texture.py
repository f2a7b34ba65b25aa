"""A texture whose blur can be measured at any distance: dead leaves, which look alike at every scale.

Cao, Guichard and Hornung, "Measuring texture sharpness of a digital camera", Proc. SPIE 7250, 2009.
"""

from __future__ import annotations

import cv2
import numpy as np

from defocus_depth.types import FloatArray

_SMALLEST_PX, _LARGEST_SHARE = 1.2, 0.25
_LEAVES_PER_PX = 0.035
_DARKEST, _BRIGHTEST = 0.06, 0.9


def dead_leaves(size_px: int, seed: int = 0) -> FloatArray:
    """Seamless linear reflectance, float32 (size, size): grey discs over each other, radii r with density ∝ 1/r³."""
    rng = np.random.default_rng(seed)
    picture = np.full((size_px, size_px), 0.4, np.float32)
    least, most = _SMALLEST_PX**-2, (_LARGEST_SHARE * size_px) ** -2
    count = int(_LEAVES_PER_PX * 12 * size_px**2 / 2)
    radii = 1 / np.sqrt(rng.uniform(most, least, count))
    centres = rng.uniform(0, size_px, (count, 2))
    greys = rng.uniform(_DARKEST, _BRIGHTEST, count)
    order = np.argsort(-radii[: count // 2]).tolist() + list(range(count // 2, count))
    for index in order:
        _disc(picture, centres[index], float(radii[index]), float(greys[index]))
    return picture


def _disc(picture: FloatArray, centre: np.ndarray, radius: float, grey: float) -> None:
    """A disc that goes on at the opposite side."""
    size, fraction = picture.shape[0], 16
    for x in _copies(float(centre[0]), radius, size):
        for y in _copies(float(centre[1]), radius, size):
            place = (round(x * fraction), round(y * fraction))
            cv2.circle(picture, place, round(radius * fraction), grey, cv2.FILLED, cv2.LINE_8, shift=4)


def _copies(at: float, radius: float, size: int) -> list[float]:
    return [at, *([at + size] if at < radius else []), *([at - size] if at > size - radius else [])]
