from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.dataset import StackSamples
from defocus_depth.evaluation.methods import constant_method, network_method
from defocus_depth.evaluation.metrics import FIGURE_NAMES
from defocus_depth.evaluation.results import FrameResult, JudgedFrames
from defocus_depth.evaluation.run import FrameJudge, _median, evaluate_samples
from defocus_depth.evaluation.summary import summary


@pytest.fixture
def samples(tmp_path: Path, write_plane) -> StackSamples:
    for name, depth_m in (("a", 1.0), ("b", 2.0)):
        write_plane(tmp_path / name, depth_m)
    return StackSamples(tmp_path, "all")


def test_figures_of_a_known_prediction(samples: StackSamples, fake_estimator) -> None:
    seen = []
    results = list(
        evaluate_samples(samples, network_method(fake_estimator(1.1)), 0.5, lambda *frame: seen.append(frame))
    )
    figures = summary("network", "all", JudgedFrames(results), 0.5)
    assert [frame[2] for frame in seen] == results and len(results) == figures["n"] == 8
    assert (figures["method"], figures["frames"]) == ("network", "all")
    assert figures["abs_rel"] == pytest.approx((0.1 + 0.45) / 2, rel=1e-5)
    assert figures["rmse_m"] == pytest.approx((0.1 + 0.9) / 2, rel=1e-5)
    assert (figures["delta1"], figures["delta2"], figures["valid_fraction"]) == (0.5, 0.5, 1.0)
    assert figures["coc_mae_px"] == pytest.approx(8 * ((1 - 1 / 1.1) + (1 / 1.1 - 1 / 2)) / 2, rel=1e-4)
    assert figures["masked"]["valid_fraction"] == pytest.approx(0.5)
    assert figures["masked"]["abs_rel"] == pytest.approx(figures["abs_rel"], rel=1e-6)
    assert figures["masked"]["mean_confidence"] == pytest.approx(0.4, rel=1e-5)
    stacks = figures["per_stack"]
    assert [(stack["name"], stack["n"]) for stack in stacks] == [("a", 4), ("b", 4)]
    assert stacks[0]["abs_rel"] == pytest.approx(0.1, rel=1e-5) and set(FIGURE_NAMES) < set(stacks[0])


def test_keys_are_exactly_the_agreed_ones(samples: StackSamples) -> None:
    judged = JudgedFrames(evaluate_samples(samples, constant_method(samples.truths_m()), 0.5))
    figures = summary("constant", "all", judged, 0.5)
    assert set(figures) == set(
        "method frames n abs_rel rmse_m delta1 delta2 coc_mae_px valid_fraction masked per_stack median_scaled "
        "distance_bins texture edges error_histogram temporal calibration sparsification".split()
    )
    assert (figures["masked"], figures["calibration"], figures["sparsification"]) == (None, None, None)


def test_frames_without_any_figure_count_in_n_only() -> None:
    good, bad = dict.fromkeys(FIGURE_NAMES, 0.25), dict.fromkeys(FIGURE_NAMES, math.nan)
    judged = JudgedFrames([FrameResult("a/0", "a", good), FrameResult("b/0", "b", bad)])
    figures = summary("network", "first", judged)
    assert (figures["n"], figures["abs_rel"]) == (2, 0.25)
    assert figures["per_stack"][1]["abs_rel"] is None
    json.dumps(figures, allow_nan=False)


@pytest.mark.parametrize("min_confidence", [-0.1, 1.1, float("nan")])
def test_refuses_confidences_out_of_range(samples: StackSamples, min_confidence: float) -> None:
    with pytest.raises(ConfigError, match="min_confidence: expected 0..1, got"):
        list(evaluate_samples(samples, constant_method([np.ones((1, 1), np.float32)]), min_confidence))


@pytest.mark.parametrize("count", [1, 2, 3, 10, 101])
def test_median(count: int) -> None:
    values = np.random.default_rng(count).uniform(0, 1, count).astype(np.float32)
    assert _median(values) == pytest.approx(float(np.median(values.astype(np.float64))))
    assert math.isnan(_median(values[:0]))


def test_median_scaling_removes_a_wrong_scale(samples: StackSamples, fake_estimator) -> None:
    (result, *_) = evaluate_samples(samples, network_method(fake_estimator(4.0)), 0.5)
    assert result.median_scaled["scale"] == pytest.approx(0.25) and result.median_scaled["abs_rel"] < 1e-6
    assert result.figures["abs_rel"] == pytest.approx(3.0) and result.median_scaled["delta1"] == 1.0


def test_parts_calibration_and_flicker_of_a_known_prediction(samples: StackSamples, fake_estimator) -> None:
    results = list(evaluate_samples(samples, network_method(fake_estimator(1.1)), 0.5))
    figures = summary("network", "all", JudgedFrames(results), 0.5)
    bins = {row["name"]: row for row in figures["distance_bins"]}
    assert bins["1-1.5"]["abs_rel"] == pytest.approx(0.1, rel=1e-5) and bins["1-1.5"]["pixels"] == 4 * 63 * 96
    assert bins["2-3"]["abs_rel"] == pytest.approx(0.45, rel=1e-5) and bins["0.5-1"]["abs_rel"] is None
    assert sum(row["pixels"] for row in figures["texture"]) == sum(row["pixels"] for row in bins.values())
    assert [row["name"] for row in figures["edges"]] == ["interior", "edge"] and figures["edges"][1]["pixels"] == 0
    assert figures["temporal"] == {"flicker_rel": None, "pairs": 0}  # the focus of the frames differs
    # confidence .8 (half of the pixels) and 0; right on stack a, wrong on b
    assert figures["calibration"]["ece"] == pytest.approx((0.5 * 0.3) + (0.5 * 0.5), rel=1e-5)
    # |1/1.1 − 1/1| = .091 ≤ .1·ln 10, |1/1.1 − 1/2| = .41 is not; both are > .1·ln 2
    assert (figures["calibration"]["coverage_50"], figures["calibration"]["coverage_90"]) == (0.0, 0.5)
    assert figures["sparsification"]["ause_abs_rel"] == pytest.approx(0, abs=1e-6)
    assert sum(figures["error_histogram"]["fraction"]) == pytest.approx(1)


def test_flicker_is_measured_on_frames_of_one_focus(samples: StackSamples, fake_estimator) -> None:
    sample = next(iter(samples))
    judge, depths_m = FrameJudge(0.5), (1.0, 1.1, 1.1)
    rates = [judge(sample, network_method(fake_estimator(depth_m))(sample)).flicker_rel for depth_m in depths_m]
    assert math.isnan(rates[0]) and rates[1:] == pytest.approx([math.log(1.1), 0.0])
    moved = replace(sample, focus_distance_m=0.5)
    assert math.isnan(judge(moved, network_method(fake_estimator(1.0))(moved)).flicker_rel)


def test_times_are_known_but_not_in_the_summary(samples: StackSamples, fake_estimator) -> None:
    results = list(evaluate_samples(samples, network_method(fake_estimator(1.0)), 0.5))
    assert all(result.latency_ms is not None and result.latency_ms >= 0 for result in results)
    assert "latency" not in json.dumps(summary("network", "all", JudgedFrames(results)))
