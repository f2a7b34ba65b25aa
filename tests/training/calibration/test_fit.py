"""The joint fit on blur that follows the lens formula exactly, with noise and wrong tiles on top."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defocus_depth.errors import ConfigError
from defocus_depth.optics import blur_gain
from defocus_training.calibration.calibration import focus_curve
from defocus_training.calibration.fit import BlurSamples, LensFit, fit_lens, rough_focus

STEPS = 8
DEPTHS_M = (0.4, 0.9, 2.5)


def made(focal_m: float, gain: float, curvature: float = 0.0, noise_px: float = 0.0, depths_m=DEPTHS_M):
    """(samples, true focus): three tiles at radii 0.1, 0.5, 0.8 of each picture."""
    focus = np.linspace(0.05, 3.0, STEPS) ** 1.1
    step, depth, radius = (
        a.ravel() for a in np.meshgrid(np.arange(STEPS), 1 / np.array(depths_m), (0.1, 0.5, 0.8), indexing="ij")
    )
    at = focus[step] + curvature * radius**2
    true_gain = blur_gain(focal_m, focal_m**2 / (gain * 1e-6), 1e-6, at)
    size = np.abs(true_gain * (at - depth)) + noise_px * np.random.default_rng(0).standard_normal(len(step))
    return BlurSamples(step, depth, radius, size), focus


@settings(max_examples=15, deadline=None)
@given(st.floats(3.0, 40.0), st.floats(0.004, 0.03), st.floats(-0.08, 0.08))
def test_gain_focus_and_curvature_are_recovered(gain: float, focal_m: float, curvature: float):
    samples, focus = made(focal_m, gain, curvature)
    fit = fit_lens(samples, focus * 0.9 + 0.1)
    assert fit.gain_px_per_dpt == pytest.approx(gain, rel=0.01)
    assert fit.focus_dpt == pytest.approx(focus, abs=0.01)
    assert fit.field_curvature_dpt == pytest.approx(curvature, abs=0.01)


def test_a_known_focal_length_is_kept_and_an_unknown_one_found():
    samples, focus = made(0.02, 20.0, noise_px=0.02)
    assert fit_lens(samples, focus, 0.02).focal_length_m == 0.02
    assert fit_lens(samples, focus).focal_length_m == pytest.approx(0.02, abs=0.002)


def test_errors_are_of_the_size_they_say():
    samples, focus = made(0.01, 20.0, noise_px=0.1)
    fit = fit_lens(samples, focus)
    assert 0.2 < abs(fit.gain_px_per_dpt - 20.0) / fit.gain_error < 4 or fit.gain_error > abs(fit.gain_px_per_dpt - 20)
    assert np.all(np.abs(fit.focus_dpt - focus) < 5 * fit.focus_error_dpt + 1e-3)
    assert fit.residual_px == pytest.approx(0.1, rel=0.3)


def test_a_few_wrong_tiles_do_not_matter():
    samples, focus = made(0.01, 20.0, noise_px=0.02)
    samples.size_px[::17] *= 1.4
    fit = fit_lens(samples, focus)
    assert fit.gain_px_per_dpt == pytest.approx(20.0, rel=0.01) and fit.focus_dpt == pytest.approx(focus, abs=0.02)


def test_targets_at_one_depth_are_refused():
    samples, focus = made(0.01, 20.0, depths_m=(0.9, 0.92))
    with pytest.raises(ConfigError, match="expected a spread of at least 0.15 dpt"):
        fit_lens(samples, focus)
    with pytest.raises(ConfigError, match="sharp at different positions"):
        rough_focus(np.arange(8.0), np.array([3.0, 3.0]), np.array([1.0, 2.0]))


def test_a_target_without_texture_is_refused():
    samples, focus = made(0.01, 20.0)
    samples.size_px[:] = np.nan
    with pytest.raises(ConfigError, match="is the target textured"):
        fit_lens(samples, focus)


def fitted(focus: np.ndarray, error: float = 0.002) -> LensFit:
    return LensFit(10.0, 0.01, focus, np.full(len(focus), error), 0.0, 0.001, 0.02)


def test_the_curve_is_a_line_only_where_the_samples_are():
    positions = np.arange(6.0) * 100
    line = 0.1 + 0.004 * positions
    assert focus_curve(positions, fitted(line + 0.001), "auto").kind == "affine"
    bent = line + 0.1 * np.sin(positions / 160)
    assert focus_curve(positions, fitted(bent), "auto").kind == "monotone"
    assert focus_curve(positions, fitted(bent), "affine").kind == "affine"
    unseen = fitted(np.where(positions == 200, np.nan, bent))
    assert focus_curve(positions, unseen, "auto").positions == (0.0, 100.0, 300.0, 400.0, 500.0)


def test_focus_that_goes_back_and_forth_is_refused():
    with pytest.raises(ConfigError, match="expected strictly monotone"):
        focus_curve(np.arange(4.0), fitted(np.array([0.1, 0.5, 0.4, 0.9])), "auto")
