"""Runs a method over samples."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..types import FloatArray
from .confidence import confidence_figures
from .dataset import Sample
from .methods import Predict, Prediction
from .metrics import DepthMaps, is_depth
from .pixel_table import (
    PART_AXES,
    PixelTable,
    all_pixels,
    figures_from,
    kept_pixels,
    part_sums,
    scaled_figures,
    tabulate,
)
from .regions import depth_edges, luminance_u8, texture_levels
from .results import FrameResult
from .stability import Moment, flicker_rel

OnFrame = Callable[[Sample, Prediction, FrameResult], None]
SCALED_FIGURES = ("abs_rel", "sq_rel", "rmse_m", "rmse_log", "mae_m", "irmse_dpt", "delta1", "delta2", "delta3")


def evaluate_samples(
    samples: Iterable[Sample], predict: Predict, min_confidence: float, on_frame: OnFrame | None = None
) -> Iterator[FrameResult]:
    """The figures of each sample, one by one, with the time `predict` took; `on_frame` sees sample, prediction, result.

    Raises:
        ConfigError: `min_confidence` outside 0..1, or a prediction of another size than the truth.
    """
    judge = FrameJudge(min_confidence)
    for sample in samples:
        started = time.perf_counter()
        prediction = predict(sample)
        latency_ms = (time.perf_counter() - started) * 1e3
        result = replace(judge(sample, prediction), latency_ms=latency_ms)
        if on_frame is not None:
            on_frame(sample, prediction, result)
        yield result


class FrameJudge:
    """Compares predictions with the truth, one frame after the other; remembers the last frame only.

    Args:
        min_confidence: 0..1; pixels below are left out of the masked figures.

    Raises:
        ConfigError: `min_confidence` outside 0..1.
    """

    def __init__(self, min_confidence: float) -> None:
        if not 0 <= min_confidence <= 1:
            raise ConfigError(f"min_confidence: expected 0..1, got {min_confidence!r}")
        self._min_confidence = min_confidence
        self._last: tuple[tuple[Any, ...], Moment] | None = None

    def __call__(self, sample: Sample, prediction: Prediction) -> FrameResult:
        """All figures of one frame.

        Raises:
            ConfigError: the prediction's maps differ in size from the truth.
        """
        truth, grey, confidence = sample.truth, luminance_u8(sample.image), prediction.confidence
        keep = None if confidence is None else confidence >= self._min_confidence
        table = tabulate(prediction.maps, truth, keep, texture_levels(grey), depth_edges(truth.depth_m))
        return FrameResult(
            name=sample.name,
            group=sample.group,
            figures=figures_from(all_pixels(table.sums)),
            masked=None if keep is None else figures_from(kept_pixels(table.sums)),
            mean_confidence=math.nan if confidence is None else _mean_confidence(confidence, truth),
            median_scaled=_median_scaled(table),
            parts={part: part_sums(table.sums, part) for part in PART_AXES},
            histogram=table.histogram,
            confidence=None if confidence is None else confidence_figures(
                confidence, prediction.maps.depth_m, truth.depth_m, prediction.inv_depth_scale_dpt
            ),
            flicker_rel=self._flicker(sample, Moment(grey, prediction.maps.depth_m, truth.depth_m)),
            stamp_ns=sample.stamp_ns,
        )  # fmt: skip

    def _flicker(self, sample: Sample, now: Moment) -> float:
        """Against the frame before, where that is of the same group, lens and focus."""
        optics = (sample.group, sample.lens, sample.focus_distance_m)
        last, self._last = self._last, (optics, now)
        return flicker_rel(last[1], now) if last is not None and last[0] == optics else math.nan


def _mean_confidence(confidence: FloatArray, truth: DepthMaps) -> float:
    counted = confidence[is_depth(truth.depth_m) & np.isfinite(confidence)]
    return float(counted.mean(dtype=np.float64)) if counted.size else math.nan


def _median_scaled(table: PixelTable) -> dict[str, float]:
    """Figures after multiplying the prediction by median(d)/median(d̂), for methods that do not know the scale.

    Zhou et al., arXiv 1704.07813, section 4.1.
    """
    scale = _median(table.depths_m[1]) / _median(table.depths_m[0])
    figures = scaled_figures(table, scale)
    return {"scale": scale, **{name: figures[name] for name in SCALED_FIGURES}}


def _median(values: FloatArray) -> float:
    """As np.median, ten times as fast: one partition instead of two and a search for NaN."""
    if not values.size:
        return math.nan
    half = values.size // 2
    ordered = np.partition(values, half)
    return float(ordered[half]) if values.size % 2 else (float(ordered[:half].max()) + float(ordered[half])) / 2
