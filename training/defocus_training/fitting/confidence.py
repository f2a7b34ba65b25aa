"""How sure a fitted depth is: how far from it the photometric evidence of its surroundings lies.

Each hypothesis is as probable as exp(−cost/τ); the root mean square distance from the fitted depth says how far that
may be off, where evidence is flat as well as where smoothing overruled it. Neighbouring pixels are not independent and
the model is not perfect: τ and the share of the distance that counts are such that on path-traced stacks 50 % and 90 %
of the errors lie within the 50 % and 90 % intervals.
"""

from __future__ import annotations

import cv2
import numpy as np

from defocus_depth.types import FloatArray

from .cost_volume import CostVolume
from .views import Views

TEMPERATURE = 0.02
_DISTANCE_SHARE = 0.4
_SMOOTHING_PX = 2.0  # evidence where there is no texture is random: its neighbours tell
_LEAST_SCALE_PX = 0.05
_EDGE_REACH_PX = 5  # window in which a depth edge may be misplaced
_EDGE_SHARE = 0.1  # of a depth edge's height is added to the scale beside it
_WITHIN = 1.25  # confidence: the ratio of depths that still counts as right
_RELATIVE_TOLERANCE = 0.1  # of the sweep, where metres are unknown


def laplace_scale_dpt(views: Views, volume: CostVolume, inverse_depth: FloatArray) -> FloatArray:
    """Laplace scale b of the inverse depth (dpt, or focus coordinate), (H, W)."""
    scale = _DISTANCE_SHARE * np.sqrt(_square_distance(volume, inverse_depth) / 2)  # a Laplace's variance is 2·b²
    window = np.ones((_EDGE_REACH_PX, _EDGE_REACH_PX), np.uint8)
    edge = cv2.dilate(inverse_depth, window) - cv2.erode(inverse_depth, window)
    widest = float(np.ptp(volume.hypotheses_dpt)) / 2
    least = _LEAST_SCALE_PX / views.mean_gain
    return np.minimum(np.hypot(scale, least) + _EDGE_SHARE * edge, widest).astype(np.float32)


def confidence(inverse_depth: FloatArray, scale: FloatArray) -> FloatArray:
    """P(max(d̂/d, d/d̂) < 1.25) if the inverse depth has a Laplace error of this scale, (H, W)."""
    nearer, farther = (_WITHIN - 1) * inverse_depth, (1 - 1 / _WITHIN) * inverse_depth
    return (1 - 0.5 * np.exp(-nearer / scale) - 0.5 * np.exp(-farther / scale)).astype(np.float32)


def relative_confidence(scale: FloatArray, sweep: float) -> FloatArray:
    """P(error < a tenth of the sweep) in focus coordinates, where ratios of depths mean nothing, (H, W)."""
    return (1 - np.exp(-_RELATIVE_TOLERANCE * sweep / scale)).astype(np.float32)


def _square_distance(volume: CostVolume, inverse_depth: FloatArray) -> FloatArray:
    """Mean square distance of the hypotheses, by their probability, from the fitted depth."""
    probable = np.exp(-(volume.cost - volume.cost.min(0)) / TEMPERATURE)
    distance = (volume.hypotheses_dpt[:, None, None] - inverse_depth) ** 2
    mean = ((probable * distance).sum(0) / probable.sum(0)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(mean, (0, 0), _SMOOTHING_PX), np.float32)
