"""What a stack's own frames say of its depth: the targets of self-supervised training, seen by no labeller.

The start of the per-stack fit (`fitting.start`): cross-blurred frames must agree where the depth is right; semi-global
smoothing fills what has no texture, and depth edges lie on those of the picture. Its uncertainty is that of the fit
(`fitting.confidence`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..fitting.confidence import laplace_scale_dpt
from ..fitting.cost_volume import CostVolume, cost_volume
from ..fitting.options import StartOptions
from ..fitting.start import depth_from_costs, hypotheses
from ..fitting.views import Views, measured_noise
from ..fitting.weighted_median import FillMedians, fill_medians
from ..splatting.psf import DiscPsf, Psf

Map = npt.NDArray[np.float32]
SATURATED = 0.99
"""Linear radiance from which on a training frame only says "at least"."""


@dataclass(frozen=True)
class TeacherDepth:
    """`inverse_depth_px` u = G/d (H, W) and the standard deviation of its error, px."""

    inverse_depth_px: Map
    deviation_px: Map


@dataclass(frozen=True)
class TeacherEngine:
    """What does the teacher's heavy work."""

    cost_volume: Callable[[Views, npt.NDArray[np.float64], Psf, float], CostVolume] = cost_volume
    fill_medians: FillMedians = fill_medians


def teach(frames: Map, focus_px: Map, engine: TeacherEngine | None = None) -> TeacherDepth:
    """Inverse depth (px) of each pixel of a static stack.

    Args:
        frames: (K, H, W, 3) linear 0..1, K ≥ 2.
        focus_px: (K,) φ = G·F of each frame, falling.
        engine: one core's if not given.
    """
    views, options, engine = _views(frames, focus_px), StartOptions(), engine or TeacherEngine()
    volume = engine.cost_volume(views, hypotheses(views, options), DiscPsf(), options.window_px)
    inverse_depth = depth_from_costs(views, volume, options, engine.fill_medians)
    scale = laplace_scale_dpt(views, volume, inverse_depth)
    return TeacherDepth(inverse_depth, (math.sqrt(2) * scale).astype(np.float32))


def _views(frames: Map, focus_px: Map) -> Views:
    """The frames with a blur gain of 1 px per dioptre: dioptres then stand for pixels of u."""
    count = len(frames)
    return Views(
        frames,
        valid=np.ones(frames.shape[:3], np.float32),
        gain_px_per_dpt=np.ones(count),
        focus_dpt=focus_px.astype(np.float64),
        saturated=np.full(count, SATURATED),
        noise=measured_noise(frames),
        metric=True,
    )
