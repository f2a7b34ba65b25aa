from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.dataset import StackSamples
from defocus_depth.evaluation.methods import constant_method, network_method
from defocus_depth.evaluation.metrics import FIGURE_NAMES
from defocus_depth.evaluation.results import FrameResult
from defocus_depth.evaluation.run import evaluate_samples
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
    figures = summary("network", "all", results, 0.5)
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
    figures = summary("constant", "all", list(evaluate_samples(samples, constant_method(samples.truths_m()), 0.5)), 0.5)
    assert set(figures) == set(
        "method frames n abs_rel rmse_m delta1 delta2 coc_mae_px valid_fraction masked per_stack median_scaled "
        "distance_bins texture edges error_histogram temporal calibration sparsification".split()
    )
    assert (figures["masked"], figures["calibration"], figures["sparsification"]) == (None, None, None)


def test_frames_without_any_figure_count_in_n_only() -> None:
    good, bad = dict.fromkeys(FIGURE_NAMES, 0.25), dict.fromkeys(FIGURE_NAMES, math.nan)
    figures = summary("network", "first", [FrameResult("a/0", "a", good), FrameResult("b/0", "b", bad)])
    assert (figures["n"], figures["abs_rel"]) == (2, 0.25)
    assert figures["per_stack"][1]["abs_rel"] is None
    json.dumps(figures, allow_nan=False)


@pytest.mark.parametrize("min_confidence", [-0.1, 1.1, float("nan")])
def test_refuses_confidences_out_of_range(samples: StackSamples, min_confidence: float) -> None:
    with pytest.raises(ConfigError, match="min_confidence: expected 0..1, got"):
        list(evaluate_samples(samples, constant_method([np.ones((1, 1), np.float32)]), min_confidence))
