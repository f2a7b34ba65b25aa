from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation import metrics
from defocus_depth.evaluation.metrics import FIGURE_NAMES, DepthMaps, mean_figures
from defocus_depth.evaluation.pixel_table import frame_figures

PREDICTED = np.array([1.0, 2.5, 3.0, 8.0])
TRUTH = np.array([1.0, 2.0, 4.0, 4.0])
DEPTHS = arrays(np.float64, 7, elements=st.floats(0.1, 50))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("abs_rel", (0 + 0.25 + 0.25 + 1.0) / 4),
        ("sq_rel", (0 + 0.125 + 0.25 + 4.0) / 4),
        ("rmse_m", math.sqrt((0 + 0.25 + 1 + 16) / 4)),
        ("rmse_log", math.sqrt((math.log(1.25) ** 2 + math.log(0.75) ** 2 + math.log(2) ** 2) / 4)),
        ("mae_m", (0 + 0.5 + 1 + 4) / 4),
        ("irmse_dpt", math.sqrt((0.1**2 + (1 / 3 - 0.25) ** 2 + 0.125**2) / 4)),
        ("delta1", 1 / 4),  # a ratio of exactly 1.25 is outside, 4/3 too
        ("delta2", 3 / 4),  # < 1.5625
        ("delta3", 3 / 4),  # < 1.953
    ],
)
def test_worked_by_hand(name: str, expected: float) -> None:
    assert metrics.DEPTH_FIGURES[name](PREDICTED, TRUTH) == pytest.approx(expected)


def test_agree_with_torchmetrics() -> None:
    torch = pytest.importorskip("torch")
    regression = pytest.importorskip("torchmetrics.functional.regression")
    rng = np.random.default_rng(0)
    truth = rng.uniform(0.2, 10, 1000)
    predicted = truth * np.exp(rng.normal(0, 0.3, truth.size))
    found, true = torch.from_numpy(predicted), torch.from_numpy(truth)
    expected = {
        "abs_rel": regression.mean_absolute_percentage_error(found, true),
        "rmse_m": regression.mean_squared_error(found, true, squared=False),
        "rmse_log": regression.mean_squared_error(found.log(), true.log(), squared=False),
        "mae_m": regression.mean_absolute_error(found, true),
        "irmse_dpt": regression.mean_squared_error(1 / found, 1 / true, squared=False),
    }
    for name, value in expected.items():
        assert metrics.DEPTH_FIGURES[name](predicted, truth) == pytest.approx(float(value), rel=1e-6), name


def test_coc_error_by_hand() -> None:
    assert metrics.coc_mae_px(np.array([-3.0, 4.0]), np.array([3.0, 5.0])) == pytest.approx(3.5)


@settings(deadline=None)
@given(DEPTHS)
def test_a_perfect_map(depth_m: np.ndarray) -> None:
    figures = frame_figures(DepthMaps(depth_m, depth_m), DepthMaps(depth_m, depth_m))
    ones = {"delta1", "delta2", "delta3", "valid_fraction"}
    assert figures == {name: (1.0 if name in ones else 0.0) for name in FIGURE_NAMES}


@settings(deadline=None)
@given(DEPTHS, DEPTHS, st.floats(0.1, 10))
def test_how_figures_change_with_scale_and_sides(predicted: np.ndarray, truth: np.ndarray, scale: float) -> None:
    for name, power in {"abs_rel": 0, "sq_rel": 1, "rmse_m": 1, "rmse_log": 0, "mae_m": 1, "irmse_dpt": -1}.items():
        figure = metrics.DEPTH_FIGURES[name]
        assert figure(predicted * scale, truth * scale) == pytest.approx(figure(predicted, truth) * scale**power)
    for name in ("rmse_m", "rmse_log", "mae_m", "irmse_dpt", "delta1", "delta2", "delta3"):
        figure = metrics.DEPTH_FIGURES[name]
        assert figure(predicted, truth) == pytest.approx(figure(truth, predicted))


def test_which_pixels_count() -> None:
    truth_m = np.array([[1.0, 2.0, 4.0, np.nan, 0.0, np.inf]])
    predicted_m = np.array([[1.1, np.nan, -1.0, 3.0, 3.0, 3.0]], np.float32)
    coc_px = np.array([[2.0, np.nan, 0.0, 9.0, 9.0, 9.0]])
    figures = frame_figures(DepthMaps(predicted_m, coc_px), DepthMaps(truth_m, np.ones((1, 6))))
    assert figures["valid_fraction"] == pytest.approx(1 / 3)
    assert figures["abs_rel"] == pytest.approx(0.1, abs=1e-6)
    assert figures["coc_mae_px"] == pytest.approx(1.0)


def test_masking_drops_pixels_from_every_figure() -> None:
    truth_m, predicted_m = np.full((2, 2), 2.0), np.array([[2.0, 3.0], [2.0, 4.0]])
    maps = DepthMaps(predicted_m, predicted_m), DepthMaps(truth_m, truth_m)
    kept = frame_figures(*maps, keep=np.array([[True, True], [False, False]]))
    assert (kept["abs_rel"], kept["valid_fraction"], kept["coc_mae_px"]) == (0.25, 0.5, 0.5)
    nothing = frame_figures(*maps, keep=np.zeros((2, 2), bool))
    assert nothing.pop("valid_fraction") == 0.0
    assert all(math.isnan(value) for value in nothing.values())


def test_data_set_figures_are_means_over_frames_that_have_them() -> None:
    frames = [dict.fromkeys(FIGURE_NAMES, value) for value in (1.0, 3.0, math.nan)]
    assert mean_figures(frames) == dict.fromkeys(FIGURE_NAMES, 2.0)
    assert all(math.isnan(value) for value in mean_figures(frames[2:]).values())


def test_refuses_maps_of_different_sizes() -> None:
    small, large = np.ones((2, 2)), np.ones((2, 3))
    with pytest.raises(ConfigError, match=r"expected equal sizes, got \[\(2, 2\), \(2, 3\)\]"):
        frame_figures(DepthMaps(small, small), DepthMaps(large, large))
