"""Figures of one depth map against ground truth, and their mean over frames.

The metric functions take equally shaped arrays of pixels that are already known to be valid (finite, > 0) and
return NaN for no pixels. `pixel_table` computes them all at once; data-set figures are means of per-frame figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
DELTA_BASE = 1.25


def abs_rel(predicted_m: Array, truth_m: Array) -> float:
    """Mean of |d̂ − d| / d. Eigen et al., arXiv 1406.2283, section 4.2."""
    return _mean(np.abs(predicted_m - truth_m) / truth_m)


def sq_rel(predicted_m: Array, truth_m: Array) -> float:
    """Mean of (d̂ − d)² / d, metres. Eigen et al., arXiv 1406.2283, section 4.2."""
    return _mean((predicted_m - truth_m) ** 2 / truth_m)


def rmse_m(predicted_m: Array, truth_m: Array) -> float:
    """Root of the mean of (d̂ − d)², metres. Eigen et al., arXiv 1406.2283, section 4.2."""
    return math.sqrt(_mean((predicted_m - truth_m) ** 2))


def rmse_log(predicted_m: Array, truth_m: Array) -> float:
    """Root of the mean of (ln d̂ − ln d)². Eigen et al., arXiv 1406.2283, section 4.2."""
    return math.sqrt(_mean(np.log(predicted_m / truth_m) ** 2))


def mae_m(predicted_m: Array, truth_m: Array) -> float:
    """Mean of |d̂ − d|, metres. Uhrig et al., "Sparsity Invariant CNNs", arXiv 1708.06500 (KITTI depth)."""
    return _mean(np.abs(predicted_m - truth_m))


def irmse_dpt(predicted_m: Array, truth_m: Array) -> float:
    """Root of the mean of (1/d̂ − 1/d)², 1/m. Uhrig et al., arXiv 1708.06500 (there in 1/km)."""
    return math.sqrt(_mean((1 / predicted_m - 1 / truth_m) ** 2))


def delta(predicted_m: Array, truth_m: Array, power: int = 1) -> float:
    """Fraction with max(d̂/d, d/d̂) < 1.25^power. Ladický et al. 2014; Eigen et al., arXiv 1406.2283."""
    ratio = np.maximum(predicted_m / truth_m, truth_m / predicted_m)
    return _mean((ratio < DELTA_BASE**power).astype(np.float64))


def coc_mae_px(predicted_px: Array, truth_px: Array) -> float:
    """Mean absolute error of the signed circle-of-confusion diameter, px of the evaluated image (this project's)."""
    return _mean(np.abs(predicted_px - truth_px))


DEPTH_FIGURES = {
    "abs_rel": abs_rel,
    "sq_rel": sq_rel,
    "rmse_m": rmse_m,
    "rmse_log": rmse_log,
    "mae_m": mae_m,
    "irmse_dpt": irmse_dpt,
    "delta1": lambda predicted_m, truth_m: delta(predicted_m, truth_m, 1),
    "delta2": lambda predicted_m, truth_m: delta(predicted_m, truth_m, 2),
    "delta3": lambda predicted_m, truth_m: delta(predicted_m, truth_m, 3),
}
FIGURE_NAMES = (*DEPTH_FIGURES, "coc_mae_px", "valid_fraction")


@dataclass(frozen=True)
class DepthMaps:
    """Depth (m) and signed CoC (px) of one frame, (H, W) each; NaN where unknown."""

    depth_m: Array
    coc_px: Array


def is_depth(depth_m: Array) -> npt.NDArray[np.bool_]:
    """Where an array holds depths: finite and > 0."""
    with np.errstate(invalid="ignore"):
        return np.isfinite(depth_m) & (depth_m > 0)


def mean_figures(frames: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each figure over the frames that have it; NaN where none has."""
    return {name: _mean(_finite([frame[name] for frame in frames])) for name in FIGURE_NAMES}


def _finite(values: Sequence[float]) -> Array:
    array = np.array(values, np.float64)
    return array[np.isfinite(array)]


def _mean(values: Array) -> float:
    return float(np.mean(values, dtype=np.float64)) if values.size else math.nan
