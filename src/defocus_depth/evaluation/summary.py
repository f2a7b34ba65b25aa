"""Sums up the figures of all frames: what `--json` writes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from .confidence import (
    RELIABILITY_BINS,
    SPARSIFICATION_STEPS,
    Array,
    ConfidenceFigures,
    ause,
    expected_calibration_error,
    ranked_curve,
)
from .metrics import mean_figures
from .pixel_table import HISTOGRAM_BINS, HISTOGRAM_OCTAVES, PART_AXES, STATISTICS, Sums, figures_from, part_names
from .results import FrameResult, JudgedFrames

SUMMARY_FIGURES = ("abs_rel", "rmse_m", "delta1", "delta2", "coc_mae_px", "valid_fraction")
Figures = dict[str, float | None]


def summary(method: str, frames: str, judged: JudgedFrames, min_confidence: float | None = None) -> dict[str, Any]:
    """What `evaluate --json` writes; None stands for figures that no pixel gives.

    Means over frames: the figures of `SUMMARY_FIGURES`, `masked` (the same after confidence masking, or None),
    `median_scaled`, `temporal` and the curves under `calibration` and `sparsification` (None without confidence).
    Over all frames' pixels together: `distance_bins`, `texture`, `edges` (a list of parts each), `error_histogram`
    and `calibration.reliability`, because a frame may have few pixels in a part; and `sparsification.pooled_…`,
    because a robot has one threshold of confidence for all frames. `per_stack` lists each group with every figure
    there is; n is the number of frames.
    """
    results = judged.frames
    confidence = [result.confidence for result in results if result.confidence is not None]
    return {
        "method": method,
        "frames": frames,
        "n": len(results),
        **_figures(results, SUMMARY_FIGURES),
        "masked": _masked(results, min_confidence),
        "per_stack": [_group(name, members) for name, members in _grouped(results).items()],
        "median_scaled": _means([result.median_scaled for result in results]),
        **{part: _pooled_part(results, part) for part in PART_AXES},
        "error_histogram": _histogram(results),
        "temporal": _temporal(results),
        "calibration": _calibration(results, confidence) if confidence else None,
        "sparsification": _sparsification(confidence, judged.ranks) if confidence else None,
    }


def part_rows(part: str, sums: Sums) -> list[dict[str, Any]]:
    """One part's figures by name: `name`, `pixels` (with truth) and `SUMMARY_FIGURES`, from (names, statistics) sums.

    Args:
        part: `distance_bins` (names in metres of true depth, as `0.5-1`), `texture` or `edges`.
    """
    rows = []
    for name, row in zip(part_names(part), sums, strict=True):
        figures = figures_from(row)
        shown = {figure: _or_none(figures[figure]) for figure in SUMMARY_FIGURES}
        rows.append({"name": name, "pixels": int(row[STATISTICS.index("truth")]), **shown})
    return rows


def _pooled_part(results: Sequence[FrameResult], part: str) -> list[dict[str, Any]]:
    empty = np.zeros((len(part_names(part)), len(STATISTICS)))
    return part_rows(part, sum((result.parts[part] for result in results if part in result.parts), empty))


def _figures(results: Sequence[FrameResult], names: Iterable[str] | None = None) -> Figures:
    means = mean_figures([result.figures for result in results])
    return {name: _or_none(means[name]) for name in names or means}


def _masked(results: Sequence[FrameResult], min_confidence: float | None) -> Figures | None:
    masked = [result.masked for result in results if result.masked is not None]
    if not masked:
        return None
    means = mean_figures(masked)
    return {
        "min_confidence": min_confidence,
        "mean_confidence": _mean(result.mean_confidence for result in results),
        **{name: _or_none(means[name]) for name in SUMMARY_FIGURES},
    }


def _grouped(results: Sequence[FrameResult]) -> dict[str, list[FrameResult]]:
    groups: dict[str, list[FrameResult]] = {}
    for result in results:
        groups.setdefault(result.group, []).append(result)
    return groups


def _group(name: str, members: Sequence[FrameResult]) -> dict[str, Any]:
    return {"name": name, "n": len(members), **_figures(members)}


def _histogram(results: Sequence[FrameResult]) -> dict[str, Any]:
    """`log2_ratio_edges` of log2(d̂/d), and the `fraction` of the pixels below, between and above them."""
    pixels = sum((r.histogram for r in results if r.histogram is not None), np.zeros(HISTOGRAM_BINS + 2))
    edges = np.linspace(-HISTOGRAM_OCTAVES, HISTOGRAM_OCTAVES, HISTOGRAM_BINS + 1)
    return {"log2_ratio_edges": edges.tolist(), "fraction": (pixels / max(pixels.sum(), 1)).tolist()}


def _temporal(results: Sequence[FrameResult]) -> dict[str, Any]:
    """`flicker_rel`, and the number of `pairs` of frames of a scene at rest that it was measured on."""
    flicker = [result.flicker_rel for result in results if math.isfinite(result.flicker_rel)]
    return {"flicker_rel": _mean(flicker), "pairs": len(flicker)}


def _calibration(results: Sequence[FrameResult], confidence: Sequence[ConfidenceFigures]) -> dict[str, Any]:
    """`ece`, interval coverages, and `reliability`: confidence against measured δ1, per bin of confidence."""
    reliability = sum((figures.reliability for figures in confidence), np.zeros((RELIABILITY_BINS, 3)))
    return {
        "mean_confidence": _mean(result.mean_confidence for result in results),
        "ece": _or_none(expected_calibration_error(reliability)),
        "coverage_50": _mean(figures.coverage_50 for figures in confidence),
        "coverage_90": _mean(figures.coverage_90 for figures in confidence),
        "reliability": [
            {"confidence": float(sure / pixels), "delta1": float(hits / pixels), "pixels": int(pixels)}
            for pixels, sure, hits in reliability
            if pixels
        ],
    }


def _sparsification(confidence: Sequence[ConfidenceFigures], ranks: Array) -> dict[str, Any]:
    """AbsRel against the fraction of pixels left out, least confident (or, `oracle_abs_rel`, worst) first."""
    curves = np.array([(figures.sparsification, figures.oracle) for figures in confidence])
    curves = curves[np.isfinite(curves).all(axis=(1, 2))]
    mean = curves.mean(axis=0) if len(curves) else np.full((2, SPARSIFICATION_STEPS), math.nan)
    return {
        "left_out": [step / SPARSIFICATION_STEPS for step in range(SPARSIFICATION_STEPS)],
        "abs_rel": [_or_none(value) for value in mean[0].tolist()],
        "oracle_abs_rel": [_or_none(value) for value in mean[1].tolist()],
        "ause_abs_rel": _or_none(ause(*mean)),
        "confident_half_abs_rel": _or_none(float(mean[0, SPARSIFICATION_STEPS // 2])),
        **_pooled_sparsification(ranks),
    }


def _pooled_sparsification(ranks: Array) -> dict[str, Any]:
    """The pixels of all frames ranked together: the curve, AbsRel of all, of the more confident half, their ratio."""
    curve = ranked_curve(ranks)
    everything, half = float(curve[0]), float(curve[SPARSIFICATION_STEPS // 2])
    return {
        "pooled_curve_abs_rel": [_or_none(value) for value in curve.tolist()],
        "pooled_abs_rel": _or_none(everything),
        "pooled_confident_half_abs_rel": _or_none(half),
        "pooled_confident_half_ratio": _or_none(half / everything) if everything else None,
    }


def _means(frames: Sequence[Mapping[str, float]]) -> Figures:
    names = next((list(frame) for frame in frames if frame), [])
    return {name: _mean(frame[name] for frame in frames if frame) for name in names}


def _mean(values: Iterable[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else None


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
