"""Evaluates a bag: the same figures as for focal stacks, and what the time went into."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import psutil

from ..dataset import Sample
from ..methods import Predict, Prediction
from ..metrics import is_depth
from ..results import FrameResult
from ..run import OnFrame, evaluate_samples
from ..summary import summary
from .method import SWEEP_METHODS, LoadedMethod
from .samples import BagSamples, Tally
from .sweeps import sweep_samples

_Item = TypeVar("_Item")
RENDERED = ", defocus rendered into them"


@dataclass
class StageTimes:
    """Wall time (s) of the stages of an evaluation: reading and decoding, the method, report and bag; the rest of
    the total is comparing with the truth.
    """

    read_s: float = 0.0
    predict_s: float = 0.0
    write_s: float = 0.0
    total_s: float = 0.0

    def figures(self, frames: int) -> dict[str, Any]:
        """For `--timing-json`: seconds in all, milliseconds per frame of each stage, memory."""
        compare_s = self.total_s - self.read_s - self.predict_s - self.write_s
        stages = {"read": self.read_s, "predict": self.predict_s, "compare": compare_s, "write": self.write_s}
        return {
            "frames": frames,
            "seconds": self.total_s,
            "frames_per_s": frames / self.total_s if self.total_s else 0.0,
            "ms_per_frame": {name: 1e3 * seconds / max(frames, 1) for name, seconds in stages.items()},
            "rss_mib": psutil.Process().memory_info().rss / 2**20,
        }


@dataclass
class BagEvaluation:
    """One bag, evaluated frame by frame as `frames` is iterated over.

    Attributes:
        predict: the method, made for this bag.
        on_frame: sees each frame's sample, prediction and result.
        times: filled while evaluating.
    """

    samples: BagSamples
    method: LoadedMethod
    predict: Predict
    min_confidence: float
    on_frame: OnFrame | None = None
    times: StageTimes = field(default_factory=StageTimes)

    def frames(self) -> Iterator[FrameResult]:
        """
        Raises:
            BagError: see `BagSamples.__iter__` and `sweep_samples`.
            ConfigError: `min_confidence` outside 0..1.
        """
        started = time.perf_counter()
        judged: list[FrameResult] = []

        def see(sample: Sample, prediction: Prediction, result: FrameResult) -> None:
            complete = with_unlabelled_figures(sample, prediction, result, self.min_confidence)
            judged[:] = [complete]
            if self.on_frame:
                begun = time.perf_counter()
                self.on_frame(sample, prediction, complete)
                self.times.write_s += time.perf_counter() - begun

        sweeps = self.method.choice.method in SWEEP_METHODS
        source: Iterable[Sample] = sweep_samples(self.samples) if sweeps else self.samples
        for _ in evaluate_samples(self._timed(source), self._predict, self.min_confidence, see):
            self.times.total_s = time.perf_counter() - started
            yield judged[0]
        self.times.total_s = time.perf_counter() - started

    def _timed(self, items: Iterable[_Item]) -> Iterator[_Item]:
        iterator = iter(items)
        while True:
            begun = time.perf_counter()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self.times.read_s += time.perf_counter() - begun
            yield item

    def _predict(self, sample: Sample) -> Prediction:
        begun = time.perf_counter()
        try:
            return self.predict(sample)
        finally:
            self.times.predict_s += time.perf_counter() - begun


def with_unlabelled_figures(
    sample: Sample, prediction: Prediction, result: FrameResult, min_confidence: float
) -> FrameResult:
    """The result; for a frame without any ground truth with what can be said of it all the same.

    Then `valid_fraction` is over all pixels, and so are the mean confidence and the masked `valid_fraction`.
    """
    if is_depth(sample.truth_depth_m).any():
        return result
    known = is_depth(prediction.maps.depth_m)
    figures = {**result.figures, "valid_fraction": float(known.mean())}
    if prediction.confidence is None:
        return dataclasses.replace(result, figures=figures)
    kept = known & (prediction.confidence >= min_confidence)
    masked = {**(result.masked or {}), "valid_fraction": float(kept.mean())}
    confidence = prediction.confidence[np.isfinite(prediction.confidence)]
    mean = float(confidence.mean(dtype=np.float64)) if confidence.size else float("nan")
    return dataclasses.replace(result, figures=figures, masked=masked, mean_confidence=mean)


def bag_summary(
    method: str,
    results: list[FrameResult],
    min_confidence: float,
    tallies: Mapping[str, Tally],
    made_with: Mapping[str, str | None],
    rendered: bool = False,
) -> dict[str, Any]:
    """What `evaluate-bag --json` writes: the keys of `evaluate`; each bag under `per_stack`, with its counts.

    Args:
        tallies: by bag name; `images` on its topic and those `left_out`, by reason.
        made_with: of `provenance`.
    """
    figures = summary(method, "all" + (RENDERED if rendered else ""), results, min_confidence)
    for group in figures["per_stack"]:
        tally = tallies[group["name"]]
        group |= {"images": tally.images, "left_out": dict(sorted(tally.left_out.items()))}
    return figures | {"provenance": dict(made_with)}
