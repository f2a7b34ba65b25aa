"""Whether a method knows how wrong it is: calibration of its confidence and scale, and sparsification.

Pixels count that have truth, a prediction and a finite confidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from ..types import FloatArray
from .metrics import DELTA_BASE

Array = npt.NDArray[np.float64]

RELIABILITY_BINS = 10
SPARSIFICATION_STEPS = 20
"""The curve has a point for each of the fractions 0, 1/20 … 19/20 of left-out pixels."""
_RANK_BITS = 16
"""Low bits of a float32 that ranking leaves out: it tells confidences apart that differ by 1 % of min(c, 1 − c)."""
_HALF_RANK = int(np.float32(0.5).view(np.uint32)) >> _RANK_BITS
RANK_STEPS = 2 * _HALF_RANK + 1
"""Steps of confidence that pixels are ranked by, from 0 to 1."""
_COVERAGES = (0.5, 0.9)


@dataclass(frozen=True)
class ConfidenceFigures:
    """Of one frame; NaN where no pixel qualifies.

    Attributes:
        reliability: (`RELIABILITY_BINS`, 3): pixels, sum of confidence, pixels within a factor of 1.25, per bin of
            confidence.
        sparsification: (`SPARSIFICATION_STEPS`,) AbsRel of what remains without the least confident fraction.
        oracle: the same when the largest errors are left out first.
        ranks: (`RANK_STEPS`, 2) pixels and their summed |d̂ − d| / d per step of confidence, least confident first;
            (0, 2) `without_ranks`.
        coverage_50, coverage_90: fraction of true inverse depths in the central interval of that probability about
            the published one; NaN for methods without a scale.
    """

    reliability: Array
    sparsification: Array
    oracle: Array
    ranks: Array
    coverage_50: float = math.nan
    coverage_90: float = math.nan

    @property
    def ause_abs_rel(self) -> float:
        """`ause` of the two curves."""
        return ause(self.sparsification, self.oracle)

    @property
    def confident_half_abs_rel(self) -> float:
        """AbsRel of the more confident half of the pixels."""
        return float(self.sparsification[SPARSIFICATION_STEPS // 2])

    def without_ranks(self) -> ConfidenceFigures:
        """The same for those who keep many frames: `ranks` are half a megabyte."""
        return replace(self, ranks=np.zeros((0, 2)))  # no slice of them, which would keep them alive


def confidence_figures(
    confidence: FloatArray, predicted_m: FloatArray, truth_m: FloatArray, inv_depth_scale_dpt: FloatArray | None = None
) -> ConfidenceFigures:
    """All of it for one frame, from one pass over its pixels.

    Args:
        confidence: (H, W) 0..1, meant as P(max(d̂/d, d/d̂) < 1.25); NaN where there is none.
        predicted_m, truth_m: (H, W) depth in metres; only finite values > 0 count.
        inv_depth_scale_dpt: (H, W) Laplace scale of the inverse depth, 1/m; None where the method gives none.
    """
    scale = np.zeros(0, np.float32) if inv_depth_scale_dpt is None else inv_depth_scale_dpt
    maps = tuple(np.ascontiguousarray(a, np.float32).ravel() for a in (confidence, predicted_m, truth_m, scale))
    reliability, ranks = np.zeros((RELIABILITY_BINS, 3)), np.zeros((RANK_STEPS, 2))
    inside, errors = np.zeros(len(_COVERAGES)), np.empty(maps[0].size, np.float32)
    half_widths = np.array([interval_half_width(1.0, coverage) for coverage in _COVERAGES])
    count = _collect((*maps, _rank(maps[0])), half_widths, reliability, ranks, inside, errors)
    coverage = inside / count if count and scale.size else np.full(len(_COVERAGES), math.nan)
    oracle = oracle_curve(errors[:count])
    return ConfidenceFigures(reliability, ranked_curve(ranks), oracle, ranks, *map(float, coverage))


def interval_half_width(scale: float, coverage: float) -> float:
    """Half the width of the central interval that holds a Laplace variable with probability `coverage`: b·ln(1/(1−q)).

    From its distribution function; Kotz, Kozubowski & Podgórski, "The Laplace Distribution and Generalizations",
    2001, section 2.1.
    """
    return scale * math.log(1 / (1 - coverage))


def expected_calibration_error(reliability: Array) -> float:
    """Mean of |confidence − accuracy| over bins of confidence, weighted by their pixels (ECE).

    Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015; Guo et al., arXiv
    1706.04599, equation 3. Accuracy here is δ1, which the confidence is the probability of.

    Args:
        reliability: (bins, 3) as in `ConfidenceFigures`, of one frame or added up over frames.
    """
    pixels, confidence, hits = reliability.T
    return float(np.abs(confidence - hits).sum() / pixels.sum()) if pixels.sum() else math.nan


def sparsification_curve(confidence: npt.NDArray[Any], errors: npt.NDArray[Any]) -> Array:
    """Mean error of what remains when the least confident k/20 of the pixels are left out, k = 0 … 19.

    Ilg et al., arXiv 1802.07095, section 5.1 (not normalised, as Poggi et al., arXiv 2005.06209). Equal confidences
    share their mean error. The plain form, which sorts; `confidence_figures` ranks by steps of confidence.
    """
    order = np.argsort(-confidence, kind="stable")
    _, tie, counts = np.unique(-confidence[order], return_inverse=True, return_counts=True)
    return _remaining_means(counts, np.bincount(tie.ravel(), errors[order], counts.size))


def ranked_curve(ranks: Array) -> Array:
    """`sparsification_curve` from pixels and errors per step of confidence; steps that it cuts are cut in proportion.

    Args:
        ranks: (`RANK_STEPS`, 2) as in `ConfidenceFigures`, of one frame or added up over frames. Added up, all
            frames' pixels are ranked together: what one threshold for all of them leaves.
    """
    return _remaining_means(ranks[::-1, 0], ranks[::-1, 1])


def oracle_curve(errors: npt.NDArray[Any]) -> Array:
    """`sparsification_curve` of a perfect ranking: the largest errors are left out first. Ilg et al., as there."""
    if not errors.size:
        return np.full(SPARSIFICATION_STEPS, math.nan)
    kept = np.maximum(np.rint(errors.size * _kept_fractions()).astype(np.intp), 1)
    starts = np.unique(np.concatenate([[0], kept[kept < errors.size]]))
    sums = np.cumsum(np.add.reduceat(np.sort(errors), starts, dtype=np.float64))
    return sums[np.searchsorted(starts, kept) - 1] / kept


def ause(curve: Sequence[float] | Array, oracle: Sequence[float] | Array) -> float:
    """Area under the sparsification error, curve − oracle, over the fraction left out (mean of its points).

    Ilg et al., arXiv 1802.07095, section 5.1. 0 is a perfect ranking; in units of the error.
    """
    return float(np.mean(np.asarray(curve) - np.asarray(oracle)))


def _remaining_means(counts: npt.NDArray[Any], sums: npt.NDArray[Any]) -> Array:
    """Mean error of the first 1 − k/20 of the pixels, given in groups that are cut in proportion; best group first."""
    total = counts.sum()
    if not total:
        return np.full(SPARSIFICATION_STEPS, math.nan)
    kept = total * _kept_fractions()
    reached = np.concatenate([[0], np.cumsum(counts, dtype=np.float64)])
    return np.interp(kept, reached, np.concatenate([[0], np.cumsum(sums, dtype=np.float64)])) / kept


def _rank(confidence: npt.NDArray[np.float32]) -> npt.NDArray[np.uint32]:
    """Steps that grow with confidence, fine near 0 and 1: the leading bits of the distance from the nearer of them."""
    distance = 1 - confidence
    steps = np.minimum(confidence, distance, out=distance).view(np.uint32)
    steps >>= np.uint32(_RANK_BITS)
    return np.subtract(np.uint32(2 * _HALF_RANK), steps, out=steps, where=confidence >= 0.5)


def _kept_fractions() -> Array:
    return 1 - np.arange(SPARSIFICATION_STEPS) / SPARSIFICATION_STEPS


@njit(cache=True, nogil=True, error_model="numpy")
def _collect(maps: Any, half_widths: Any, reliability: Any, ranks: Any, inside: Any, errors: Any) -> int:
    """Fill `reliability`, `ranks` (pixels and errors per step of confidence), `inside` and `errors`; count pixels."""
    confidence, predicted_m, truth_m, scale, places = maps
    count = 0
    for pixel in range(truth_m.size):
        sure, found, true = float(confidence[pixel]), float(predicted_m[pixel]), float(truth_m[pixel])
        if not (0 < true < np.inf and 0 < found < np.inf and abs(sure) < np.inf):
            continue
        inverse_true = 1 / true
        error = abs(found - true) * inverse_true
        group = min(max(int(sure * RELIABILITY_BINS), 0), RELIABILITY_BINS - 1)
        reliability[group, 0] += 1
        reliability[group, 1] += sure
        reliability[group, 2] += found < DELTA_BASE * true and true < DELTA_BASE * found
        place = min(places[pixel], len(ranks) - 1)  # what is outside 0..1 has no step of its own
        ranks[place, 0] += 1
        ranks[place, 1] += error
        if scale.size:
            difference = abs(1 / found - inverse_true)
            for level in range(half_widths.size):
                inside[level] += difference <= scale[pixel] * half_widths[level]
        errors[count] = error
        count += 1
    return count
