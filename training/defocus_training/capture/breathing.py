"""Focus breathing of a finished sweep, and what else happened to its frames: jumps of the view, drifting exposure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from defocus_depth.types import Affine2x3, FloatArray

from .alignment import Affine, affine_between
from .measures import brightness

_SIGNIFICANT = 3.0  # standard errors
_NEGLIGIBLE_CORNER_PX = 0.5  # of a picture about 320 px wide: below, nothing is resampled
_MOST_JUMP_PX = 1.0
_MOST_EXPOSURE_CHANGE = 0.03


@dataclass(frozen=True)
class Breathing:
    """How the image grows with focus.

    Attributes:
        per_dpt: growth per dioptre (or per unit of the stack's focus coordinate) of nearer focus.
        standard_error: of `per_dpt`; inf where it could not be estimated.
        jumps: indices of frames before which the view jumped, or what is seen changed.
    """

    per_dpt: float
    standard_error: float
    jumps: tuple[int, ...] = ()

    def to_reference(self, coordinate: float, reference: float, size: tuple[int, int]) -> Affine2x3 | None:
        """The affine from pixels of a frame to those of the reference frame, about the image's centre.

        Args:
            coordinate, reference: focus of the frame and of the reference frame.
            size: width and height, px.

        Returns:
            None where the estimate is not significant or hardly moves the corners.
        """
        ratio = (1 + self.per_dpt * reference) / (1 + self.per_dpt * coordinate)
        corner_px = abs(ratio - 1) * math.hypot(*size) / 2 * min(1.0, 320 / size[0])
        if not abs(self.per_dpt) > _SIGNIFICANT * self.standard_error or corner_px < _NEGLIGIBLE_CORNER_PX:
            return None
        centre_x, centre_y = (size[0] - 1) / 2, (size[1] - 1) / 2
        return (ratio, 0.0, (1 - ratio) * centre_x), (0.0, ratio, (1 - ratio) * centre_y)


def estimate_breathing(luminances: Sequence[FloatArray], coordinates: Sequence[float]) -> Breathing:
    """Breathing from neighbouring frames of a sweep.

    Args:
        luminances: small linear luminance (h, w) of each frame, in the order of the sweep.
        coordinates: focus of each frame, dioptres or any monotone number.
    """
    steps = [affine_between(first, second) for first, second in pairwise(luminances)]
    jumps = tuple(index + 1 for index, step in enumerate(steps) if _jumps(step, luminances[0].shape))
    changes = np.diff(np.asarray(coordinates, np.float64))
    usable = [index for index in range(len(steps)) if index + 1 not in jumps]
    # log of the magnification between two frames over the change of focus is b / (1 + b·F): b at the sweep's middle …
    growth = np.array([math.log(_magnification(steps[index])) for index in usable])
    slope, error = _slope(changes[usable], growth)
    # … which is referred to focus 0, where magnification is 1.
    middle = float(np.mean(coordinates))
    return Breathing(slope / max(0.1, 1 - slope * middle), error, jumps)


def exposure_ratios(luminances: Sequence[FloatArray]) -> npt.NDArray[np.float64]:
    """Brightness of each frame over the first one's, (N,): blur does not change the mean."""
    means = np.array([brightness(image) for image in luminances])
    return means / max(1e-12, means[0])


def drifts(ratio: float) -> bool:
    """Whether a brightness ratio is more than blur and breathing make."""
    return abs(ratio - 1) > _MOST_EXPOSURE_CHANGE


def _slope(changes: npt.NDArray[np.float64], growth: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Least-squares slope through the origin and its standard error."""
    weight = float(changes @ changes)
    if len(growth) < 2 or weight == 0:
        return 0.0, math.inf
    slope = float(changes @ growth / weight)
    variance = float(np.sum((growth - slope * changes) ** 2)) / (len(growth) - 1)
    return slope, math.sqrt(variance / weight)


def _magnification(affine: Affine | None) -> float:
    assert affine is not None
    return math.sqrt(max(1e-6, float(np.linalg.det(affine[:, :2]))))


def _jumps(affine: Affine | None, shape: tuple[int, ...]) -> bool:
    """Whether the image's centre moves, which focusing does not do."""
    if affine is None:
        return True
    centre = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
    return float(np.linalg.norm(affine[:, :2] @ centre + affine[:, 2] - centre)) > _MOST_JUMP_PX
