"""The blur gain of a stack whose focus distances are unknown: pixels of blur per unit of the focus coordinate.

Only this product of lens and coordinate shows in pictures. An offset of the coordinate does not: it would move every
depth alike, so the frames' own coordinates serve as depths.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..splatting.psf import Psf
from .cost_volume import cost_volume
from .options import StartOptions
from .start import hypotheses
from .views import Views

# Blur that a point in focus at one end of the sweep may have at the other end, px of the working picture.
_LEAST_SPAN_PX, _LARGEST_SPAN_PX, _STEPS_PER_OCTAVE = 2.0, 64.0, 2
_SEARCH_WIDTH_PX = 160


def found_gain(views: Views, psf: Psf, options: StartOptions) -> float:
    """The gain whose best depths leave least unexplained: a parabola through the least of a grid of gains."""
    small = views.reduced(max(1, views.size[1] // _SEARCH_WIDTH_PX))
    sweep = float(np.ptp(views.focus_dpt))
    octaves = np.log2(_LARGEST_SPAN_PX / _LEAST_SPAN_PX)
    gains = np.geomspace(_LEAST_SPAN_PX, _LARGEST_SPAN_PX, int(octaves * _STEPS_PER_OCTAVE) + 1) / sweep
    costs = [_least_cost(small, gain * small.size[1] / views.size[1], psf, options) for gain in gains]
    best = int(np.clip(np.argmin(costs), 1, len(costs) - 2))
    before, at, after = costs[best - 1], costs[best], costs[best + 1]
    shift = np.clip((before - after) / (2 * max(before - 2 * at + after, 1e-12)), -0.5, 0.5)
    return float(gains[best] * (gains[1] / gains[0]) ** shift)


def _least_cost(small: Views, gain: float, psf: Psf, options: StartOptions) -> float:
    """Mean cost of every pixel's best depth, capped as the start caps it."""
    tried = replace(small, gain_px_per_dpt=np.full(len(small.frames), gain))
    volume = cost_volume(tried, hypotheses(tried, options), psf, options.window_px)
    return float(np.minimum(volume.cost.min(0), options.highest_cost).mean())
