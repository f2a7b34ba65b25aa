from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from defocus_depth.evaluation.confidence import (
    RELIABILITY_BINS,
    SPARSIFICATION_STEPS,
    ConfidenceFigures,
    ause,
    confidence_figures,
    expected_calibration_error,
    interval_half_width,
    oracle_curve,
    sparsification_curve,
)

SIDE = 200


@pytest.fixture(scope="module")
def laplace() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Predicted and true depth, the scale that the inverse depths were drawn with, and the confidence it implies."""
    rng = np.random.default_rng(3)
    location = rng.uniform(1.0, 2.5, (SIDE, SIDE))
    scale = rng.choice([0.02, 0.1, 0.25], (SIDE, SIDE))
    true_inverse = np.maximum(rng.laplace(location, scale), 0.05)
    confidence = 1 - (np.exp(-0.25 * location / scale) + np.exp(-0.2 * location / scale)) / 2
    return tuple(a.astype(np.float32) for a in (1 / location, 1 / true_inverse, scale, confidence))  # type: ignore[return-value]


@pytest.mark.parametrize("coverage", [0.5, 0.9])
def test_interval_against_drawn_samples(coverage: float) -> None:
    drawn = np.random.default_rng(4).laplace(0, 0.3, 200_000)
    assert np.mean(np.abs(drawn) <= interval_half_width(0.3, coverage)) == pytest.approx(coverage, abs=0.005)


def test_a_calibrated_method_is_found_calibrated(laplace) -> None:
    predicted_m, truth_m, scale, confidence = laplace
    figures = confidence_figures(confidence, predicted_m, truth_m, scale)
    assert (figures.coverage_50, figures.coverage_90) == pytest.approx((0.5, 0.9), abs=0.01)
    assert expected_calibration_error(figures.reliability) < 0.015
    assert figures.confident_half_abs_rel < 0.5 * figures.sparsification[0]


def test_a_boastful_method_is_found_out(laplace) -> None:
    predicted_m, truth_m, scale, confidence = laplace
    figures = confidence_figures(np.ones_like(confidence), predicted_m, truth_m, scale / 3)
    hits = np.mean(np.maximum(predicted_m / truth_m, truth_m / predicted_m) < 1.25)
    assert expected_calibration_error(figures.reliability) == pytest.approx(1 - hits)
    assert figures.coverage_50 < 0.25 and figures.coverage_90 < 0.6
    np.testing.assert_allclose(figures.sparsification, figures.sparsification[0])  # nothing to rank by


def test_calibration_error_agrees_with_torchmetrics(laplace) -> None:
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.functional.classification")
    predicted_m, truth_m, _, confidence = laplace
    hits = np.maximum(predicted_m / truth_m, truth_m / predicted_m) < 1.25
    skewed = confidence**3
    expected = classification.binary_calibration_error(
        torch.from_numpy(skewed.ravel()), torch.from_numpy(hits.ravel().astype(np.int64)), n_bins=RELIABILITY_BINS
    )
    figures = confidence_figures(skewed, predicted_m, truth_m)
    assert expected_calibration_error(figures.reliability) == pytest.approx(float(expected), abs=2e-4)
    assert math.isnan(figures.coverage_50) and math.isnan(figures.coverage_90)


def test_curve_agrees_with_the_sorting_twin(laplace) -> None:
    predicted_m, truth_m, _, confidence = laplace
    errors = (np.abs(predicted_m - truth_m) / truth_m).ravel()
    figures = confidence_figures(confidence, predicted_m, truth_m)
    np.testing.assert_allclose(figures.sparsification, sparsification_curve(confidence.ravel(), errors), atol=2e-4)
    np.testing.assert_allclose(figures.oracle, oracle_curve(errors))


@settings(deadline=None)
@given(arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 10)))
def test_the_oracle_is_the_best_ranking(errors: np.ndarray) -> None:
    oracle, worst = oracle_curve(errors), sparsification_curve(errors, errors)
    by_error = [
        np.sort(errors)[: max(1, round(errors.size * (1 - k / SPARSIFICATION_STEPS)))].mean() for k in range(20)
    ]
    np.testing.assert_allclose(oracle, by_error, atol=1e-9)
    assert oracle[0] == pytest.approx(errors.mean()) == pytest.approx(worst[0])
    assert np.all(np.diff(oracle) <= 1e-9) and np.all(np.diff(worst) >= -1e-9)


def test_area_by_hand() -> None:
    confidence, errors = np.repeat([0.9, 0.1], 10), np.repeat([0.1, 0.5], 10)
    good, bad = sparsification_curve(confidence, errors), sparsification_curve(1 - confidence, errors)
    assert good[0] == pytest.approx(0.3) and good[SPARSIFICATION_STEPS // 2] == pytest.approx(0.1)
    assert ause(good, oracle_curve(errors)) == pytest.approx(0)
    assert bad[SPARSIFICATION_STEPS // 2] == pytest.approx(0.5)
    assert ause(bad, oracle_curve(errors)) == pytest.approx(float(np.mean(bad - good)))


def test_which_pixels_count() -> None:
    confidence = np.array([[0.9, 0.9, 0.9, np.nan]], np.float32)
    predicted_m, truth_m = np.array([[1.0, np.nan, 1.0, 1.0]], np.float32), np.array([[2.0, 2.0, np.nan, 2.0]])
    figures = confidence_figures(confidence, predicted_m, truth_m.astype(np.float32))
    assert figures.reliability[:, 0].sum() == 1 and figures.confident_half_abs_rel == pytest.approx(0.5)


def test_no_pixels() -> None:
    nothing = np.full((2, 2), np.nan, np.float32)
    figures = confidence_figures(nothing, nothing, nothing, nothing)
    assert np.isnan(figures.sparsification).all() and math.isnan(expected_calibration_error(figures.reliability))
    assert (
        isinstance(figures, ConfidenceFigures) and math.isnan(figures.coverage_90) and math.isnan(figures.ause_abs_rel)
    )
