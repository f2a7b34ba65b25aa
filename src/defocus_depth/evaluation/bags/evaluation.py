"""Evaluates a bag: the same figures as for focal stacks, and what the time went into."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from ..dataset import Sample
from ..methods import Predict, Prediction
from ..metrics import is_depth
from ..results import FrameResult, JudgedFrames
from ..run import OnFrame, evaluate_samples
from ..summary import summary
from .method import SWEEP_METHODS, LoadedMethod
from .samples import BagSamples, Tally
from .sweeps import sweep_samples

RENDERED = ", defocus rendered into them"


class StageTimes:
    """Wall and CPU time of the stages of an evaluation: reading and decoding, the method's first run, in which it loads
    what the images need, its other runs, writing report and bag; the rest of the total is comparing with the truth.
    """

    def __init__(self) -> None:
        self._spent = {name: np.zeros(2) for name in ("read", "load", "predict", "write", "total")}
        self._started = np.zeros(2)

    def start(self) -> None:
        """The total begins now."""
        self._started = _now_s()

    def stop(self) -> None:
        """The total ends now, unless more follows."""
        self._spent["total"] = _now_s() - self._started

    @contextmanager
    def during(self, stage: str) -> Iterator[None]:
        """The block is part of a stage."""
        begun = _now_s()
        try:
            yield
        finally:
            self._spent[stage] += _now_s() - begun

    def figures(self, frames: int) -> dict[str, Any]:
        """For `--timing-json`: seconds in all; per frame and stage milliseconds of wall and of CPU (of all threads
        together); memory.
        """
        stages = dict(self._spent)
        total = stages.pop("total")
        stages["compare"] = total - sum(stages.values())
        per_frame = {name: 1e3 * spent / max(frames, 1) for name, spent in stages.items()}
        return {
            "frames": frames,
            "seconds": float(total[0]),
            "frames_per_s": frames / float(total[0]) if total[0] else 0.0,
            "ms_per_frame": {name: float(spent[0]) for name, spent in per_frame.items()},
            "cpu_ms_per_frame": {name: float(spent[1]) for name, spent in per_frame.items()},
            "rss_mib": psutil.Process().memory_info().rss / 2**20,
        }


def _now_s() -> npt.NDArray[np.float64]:
    return np.array([time.perf_counter(), time.process_time()])


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
        self.times.start()
        judged: list[FrameResult] = []

        def see(sample: Sample, prediction: Prediction, result: FrameResult) -> None:
            complete = with_unlabelled_figures(prediction, result, self.min_confidence)
            judged[:] = [complete]
            if self.on_frame:
                with self.times.during("write"):
                    self.on_frame(sample, prediction, complete)

        method = self.method.choice.method
        source: Iterable[Sample] = sweep_samples(self.samples, method) if method in SWEEP_METHODS else self.samples
        for _ in evaluate_samples(self._timed(source), self._predict, self.min_confidence, see):
            self.times.stop()
            yield judged[0]
        self.times.stop()

    def _timed(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        iterator = iter(samples)
        for number in itertools.count():
            with self.times.during("read"):
                sample = next(iterator, None)
            if sample is None:
                return
            if number == 0:
                self._warm_up(sample)
            yield sample

    def _warm_up(self, sample: Sample) -> None:
        """Run once before latencies are taken: of a short bag, loading for the first image is all they would tell."""
        if self.method.choice.method in SWEEP_METHODS:  # frames of a sweep share one run, which is to be measured
            return
        with self.times.during("load"):
            self.predict(sample)

    def _predict(self, sample: Sample) -> Prediction:
        with self.times.during("predict"):
            return self.predict(sample)


def with_unlabelled_figures(prediction: Prediction, result: FrameResult, min_confidence: float) -> FrameResult:
    """The result; for a frame without any ground truth with what can be said of it all the same.

    Then `valid_fraction` is over all pixels, and so are the mean confidence and the masked `valid_fraction`.
    """
    if not math.isnan(result.figures["valid_fraction"]):
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
    judged: JudgedFrames,
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
    figures = summary(method, "all" + (RENDERED if rendered else ""), judged, min_confidence)
    for group in figures["per_stack"]:
        tally = tallies[group["name"]]
        group |= {"images": tally.images, "left_out": dict(sorted(tally.left_out.items()))}
    return figures | {"provenance": dict(made_with)}
