"""How sure a fitted depth is: from the curvature of the photometric cost around it.

The pooled half chi-square grows by ½·(Δ/σ)² per independent pixel when depth is off by Δ. Pixels near each other are
not independent and the model is not perfect: `TEMPERATURE` is fitted so that half of the errors on path-traced stacks
lie within the 50 % interval.
"""

from __future__ import annotations

import cv2
import numpy as np

from defocus_depth.types import FloatArray

from .cost_volume import CostVolume
from .views import Views

TEMPERATURE = 0.02
_PROBE_PX = 1.0  # how far to both sides the cost is probed, px of blur
_LEAST_SCALE_PX = 0.05
_EDGE_REACH_PX = 5  # window in which a depth edge may be misplaced
_EDGE_SHARE = 0.1  # of a depth edge's height is added to the scale beside it
_WITHIN = 1.25  # confidence: the ratio of depths that still counts as right
_RELATIVE_TOLERANCE = 0.1  # of the sweep, where metres are unknown


def laplace_scale_dpt(views: Views, volume: CostVolume, inverse_depth: FloatArray) -> FloatArray:
    """Laplace scale b of the inverse depth (dpt, or focus coordinate), (H, W)."""
    probe = _PROBE_PX / views.mean_gain
    below, at, above = (_cost_at(volume, inverse_depth + shift) for shift in (-probe, 0.0, probe))
    curvature = np.maximum(below - 2 * at + above, 1e-6) / probe**2
    scale = np.sqrt(TEMPERATURE / curvature / 2)  # b of the Laplace with this variance
    widest = float(np.ptp(volume.hypotheses_dpt)) / 2
    window = np.ones((_EDGE_REACH_PX, _EDGE_REACH_PX), np.uint8)
    edge = cv2.dilate(inverse_depth, window) - cv2.erode(inverse_depth, window)
    least = _LEAST_SCALE_PX / views.mean_gain
    return np.minimum(np.hypot(scale, least) + _EDGE_SHARE * edge, widest).astype(np.float32)


def confidence(inverse_depth: FloatArray, scale: FloatArray) -> FloatArray:
    """P(max(d̂/d, d/d̂) < 1.25) if the inverse depth has a Laplace error of this scale, (H, W)."""
    nearer, farther = (_WITHIN - 1) * inverse_depth, (1 - 1 / _WITHIN) * inverse_depth
    return (1 - 0.5 * np.exp(-nearer / scale) - 0.5 * np.exp(-farther / scale)).astype(np.float32)


def relative_confidence(scale: FloatArray, sweep: float) -> FloatArray:
    """P(error < a tenth of the sweep) in focus coordinates, where ratios of depths mean nothing, (H, W)."""
    return (1 - np.exp(-_RELATIVE_TOLERANCE * sweep / scale)).astype(np.float32)


def _cost_at(volume: CostVolume, inverse_depth: FloatArray) -> FloatArray:
    """Cost at any depth, linear between hypotheses, constant beyond the last."""
    place = (inverse_depth - volume.hypotheses_dpt[0]) / volume.step_dpt
    place = np.clip(place, 0, len(volume.cost) - 1 - 1e-4)
    index = place.astype(np.int64)
    low, high = (np.take_along_axis(volume.cost, index[None] + step, 0)[0] for step in (0, 1))
    return low + (place - index) * (high - low)
