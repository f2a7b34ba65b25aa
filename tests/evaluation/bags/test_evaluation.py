"""Latencies of a bag's frames, by a clock that only the method advances."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.evaluation.bags.evaluation import BagEvaluation
from defocus_depth.evaluation.bags.method import LoadedMethod, MethodChoice
from defocus_depth.evaluation.bags.samples import BagSamples
from defocus_depth.evaluation.dataset import Sample
from defocus_depth.evaluation.methods import Prediction
from defocus_depth.evaluation.metrics import DepthMaps

LOADING_S, RUN_S = 5.0, 0.25


class SlowStart:
    """A method that loads for seconds when it sees its first image."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s, self.runs = 100.0, 0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now_s)

    def __call__(self, sample: Sample) -> Prediction:
        self.now_s += RUN_S if self.runs else LOADING_S
        self.runs += 1
        depth_m = np.ones(sample.image.shape[:2], np.float32)
        return Prediction(DepthMaps(depth_m, sample.coc_px(depth_m)))


def test_loading_for_the_first_image_is_no_latency(
    plain_bag: Path, make_request, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict = SlowStart(monkeypatch)
    evaluation = BagEvaluation(
        BagSamples(plain_bag, make_request()), LoadedMethod(MethodChoice("constant")), predict, min_confidence=0.5
    )
    results = list(evaluation.frames())
    assert [result.latency_ms for result in results] == [1e3 * RUN_S] * 4
    times = evaluation.times.figures(len(results))
    assert times["seconds"] == LOADING_S + 4 * RUN_S
    assert times["ms_per_frame"] == pytest.approx(
        {"read": 0, "load": 1e3 * LOADING_S / 4, "predict": 1e3 * RUN_S, "compare": 0, "write": 0}
    )
