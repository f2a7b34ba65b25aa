"""The noise limit against estimates on simulated patches; depth errors against the blur formula itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defocus_depth.errors import OpticsError
from defocus_depth.optics import coc_from_inverse_depth
from defocus_depth.optics.accuracy import PatchNoise, depth_error_m, noise_limit_px


@pytest.mark.parametrize("diameter_px", [4.0, 8.0])
def test_maximum_likelihood_reaches_the_limit_and_does_not_beat_it(diameter_px: float):
    """Many noisy pictures of one random 1/f texture, blurred by a Gaussian of σ = d/4; the best-fitting d of each."""
    patch = PatchNoise(patch_px=24, contrast=0.2, noise=0.02)
    rng = np.random.default_rng(5)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(24), np.fft.fftfreq(24)))
    frequency[0, 0] = np.inf
    errors = []
    for _ in range(150):
        spectrum = np.fft.fft2(rng.standard_normal((24, 24))) / frequency
        spectrum *= patch.contrast / np.fft.ifft2(spectrum).real.std()
        tried = np.linspace(0.5, 1.5, 201) * diameter_px
        finite = np.where(np.isinf(frequency), 0, frequency)
        blurs = np.exp(-2 * (np.pi * tried[:, None, None] / 4 * finite) ** 2)
        seen = np.fft.ifft2(spectrum * np.exp(-2 * (np.pi * diameter_px / 4 * finite) ** 2)).real
        noisy = np.fft.fft2(seen + patch.noise * rng.standard_normal(seen.shape))
        errors.append(tried[np.argmin((np.abs(blurs * spectrum - noisy) ** 2).sum((1, 2)))] - diameter_px)
    assert np.std(errors) == pytest.approx(noise_limit_px(diameter_px, patch), rel=0.3)


def test_the_limit_is_finite_in_focus_smallest_near_it_and_grows_with_blur_and_noise():
    limits = [noise_limit_px(diameter) for diameter in (0.0, 2.0, 10.0, 25.0)]
    assert 0 < limits[1] < limits[2] < limits[3] and math.isfinite(limits[0])
    assert noise_limit_px(-10.0) == limits[2]
    assert noise_limit_px(10.0, PatchNoise(noise=0.03)) == pytest.approx(2 * limits[2], rel=0.05)
    assert noise_limit_px(10.0, PatchNoise(patch_px=32)) < limits[2]


@given(st.floats(0.2, 10.0), st.floats(1.0, 100.0), st.floats(0.0, 0.05))
def test_a_depth_one_error_away_has_a_blur_one_error_away(distance_m: float, gain: float, share: float):
    error_px = share * gain / distance_m
    half_m = depth_error_m(distance_m, gain, error_px)
    near, far = (1 / (1 / distance_m + sign * error_px / gain) for sign in (1, -1))
    assert half_m == pytest.approx((far - near) / 2)
    blurs = [coc_from_inverse_depth(1 / depth, gain, 3.0) for depth in (near, far)]
    assert blurs[1] - blurs[0] == pytest.approx(2 * error_px, abs=1e-6 * gain)


def test_small_errors_are_d_squared_over_gain():
    assert depth_error_m(2.0, 10.0, 0.01) == pytest.approx(4 * 0.01 / 10, rel=1e-4)
    assert depth_error_m(5.0, 1.0, 0.5) == math.inf


@pytest.mark.parametrize("values", [(0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, -1.0)])
def test_impossible_values_are_refused(values: tuple[float, float, float]):
    with pytest.raises(OpticsError, match="expected distance and gain > 0"):
        depth_error_m(*values)
    with pytest.raises(OpticsError, match="expected patch_px ≥ 2"):
        noise_limit_px(1.0, PatchNoise(patch_px=1))
