"""Runs a method over samples and sums up its figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ConfigError
from .dataset import Sample
from .methods import Predict, Prediction
from .metrics import frame_figures, is_depth, mean_figures

SUMMARY_FIGURES = ("abs_rel", "rmse_m", "delta1", "delta2", "coc_mae_px", "valid_fraction")
OnFrame = Callable[[Sample, Prediction, "FrameResult"], None]


@dataclass(frozen=True)
class FrameResult:
    """Figures of one sample (NaN where no pixel qualifies).

    Attributes:
        figures: dense, unmasked.
        masked: only pixels of at least the asked confidence; None for methods without confidence.
        mean_confidence: over pixels with valid truth; should match δ1.
    """

    name: str
    group: str
    figures: Mapping[str, float]
    masked: Mapping[str, float] | None = None
    mean_confidence: float = math.nan


def evaluate_samples(
    samples: Iterable[Sample], predict: Predict, min_confidence: float, on_frame: OnFrame | None = None
) -> Iterator[FrameResult]:
    """The figures of each sample, one by one; `on_frame` sees sample, prediction and result.

    Raises:
        ConfigError: `min_confidence` outside 0..1, or a prediction of another size than the truth.
    """
    if not 0 <= min_confidence <= 1:
        raise ConfigError(f"min_confidence: expected 0..1, got {min_confidence!r}")
    for sample in samples:
        prediction = predict(sample)
        result = _result(sample, prediction, min_confidence)
        if on_frame is not None:
            on_frame(sample, prediction, result)
        yield result


def _result(sample: Sample, prediction: Prediction, min_confidence: float) -> FrameResult:
    truth = sample.truth
    figures = frame_figures(prediction.maps, truth)
    if prediction.confidence is None:
        return FrameResult(sample.name, sample.group, figures)
    keep = prediction.confidence >= min_confidence
    confidence = prediction.confidence[is_depth(truth.depth_m) & np.isfinite(prediction.confidence)]
    mean_confidence = float(confidence.mean()) if confidence.size else math.nan
    masked = frame_figures(prediction.maps, truth, keep)
    return FrameResult(sample.name, sample.group, figures, masked, mean_confidence)


def summary(
    method: str, frames: str, results: Sequence[FrameResult], min_confidence: float | None = None
) -> dict[str, Any]:
    """What `evaluate --json` writes; None stands for figures that no pixel gives.

    Keys: method, frames, n (number of frames), the figures of `SUMMARY_FIGURES` (means over frames), masked (the
    same after confidence masking, or None) and per_stack (a list, in order, with every figure there is).
    """
    return {
        "method": method,
        "frames": frames,
        "n": len(results),
        **_figures(results, SUMMARY_FIGURES),
        "masked": _masked(results, min_confidence),
        "per_stack": [_group(name, members) for name, members in _grouped(results).items()],
    }


def _figures(results: Sequence[FrameResult], names: Iterable[str] | None = None) -> dict[str, float | None]:
    means = mean_figures([result.figures for result in results])
    return {name: _or_none(means[name]) for name in names or means}


def _masked(results: Sequence[FrameResult], min_confidence: float | None) -> dict[str, float | None] | None:
    masked = [result.masked for result in results if result.masked is not None]
    if not masked:
        return None
    means = mean_figures(masked)
    confidences = [result.mean_confidence for result in results if math.isfinite(result.mean_confidence)]
    return {
        "min_confidence": min_confidence,
        "mean_confidence": float(np.mean(confidences)) if confidences else None,
        **{name: _or_none(means[name]) for name in SUMMARY_FIGURES},
    }


def _grouped(results: Sequence[FrameResult]) -> dict[str, list[FrameResult]]:
    groups: dict[str, list[FrameResult]] = {}
    for result in results:
        groups.setdefault(result.group, []).append(result)
    return groups


def _group(name: str, members: Sequence[FrameResult]) -> dict[str, Any]:
    return {"name": name, "n": len(members), **_figures(members)}


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
