"""Blur and depth in plain arithmetic: against rays traced through a lens, textbook formulas, and itself backwards."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from defocus_depth.optics import (
    blur_gain,
    coc_from_inverse_depth,
    coc_limits_dpt,
    hyperfocal_dpt,
    inverse_depth_from_coc,
)

focal_lengths_m = st.floats(0.002, 0.2)
f_numbers = st.floats(0.8, 22.0)
pitches_m = st.floats(1e-6, 2e-5)
gains = st.floats(0.1, 1e4)
dioptres = st.floats(0.0, 20.0)
# Distances in focal lengths, beyond twice of which a camera lens works; infinity included.
distances_f = st.one_of(st.floats(2.0, 1e5), st.just(math.inf))


class TracedLens:
    """A thin lens as a ray sees it: it bends by −height / f. No formula for images or circles of confusion in it."""

    def __init__(self, focal_length_m: float, f_number: float, focus_distance_m: float) -> None:
        self.focal_length_m = focal_length_m
        rng = np.random.default_rng(7)
        radius_m = focal_length_m / f_number / 2
        angles, radii = rng.uniform(0, 2 * np.pi, 20_000), radius_m * np.sqrt(rng.uniform(0, 1, 20_000))
        rim = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        self.inside = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
        self.rim = radius_m * np.stack([np.cos(rim), np.sin(rim)], axis=1)
        # The sensor stands where rays from the focused point meet again behind the lens.
        first, opposite = self.rim[0, 0], self.rim[32, 0]
        self.sensor_m = -(first - opposite) / (
            self._slope(first, 0.0, focus_distance_m) - self._slope(opposite, 0.0, focus_distance_m)
        )

    def _slope(self, height_m, field: float, distance_m: float):
        """Slope behind the lens of the ray from a point at `field` (height / distance) that meets it at a height."""
        return -field + height_m / distance_m - height_m / self.focal_length_m

    def on_sensor_m(self, heights_m: np.ndarray, field_xy: tuple[float, float], distance_m: float) -> np.ndarray:
        """Where on the sensor the rays land that pass the lens at `heights_m` (N, 2)."""
        slopes = [self._slope(heights_m[:, axis], field_xy[axis], distance_m) for axis in (0, 1)]
        return heights_m + self.sensor_m * np.stack(slopes, axis=1)


@given(focal_lengths_m, f_numbers, pitches_m, distances_f, distances_f, st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_coc_is_what_rays_through_the_lens_draw(f_m, number, pitch_m, focus_f, depth_f, field_x, field_y):
    focus_m, depth_m = focus_f * f_m, depth_f * f_m
    lens = TracedLens(f_m, number, focus_m)
    gain = blur_gain(f_m, number, pitch_m, 1 / focus_m)
    coc_px = coc_from_inverse_depth(1 / depth_m, gain, 1 / focus_m)

    rim_px = lens.on_sensor_m(lens.rim, (field_x, field_y), depth_m) / pitch_m
    diameter_px = np.linalg.norm(rim_px[0] - rim_px[32])
    # Field angles cancel, so the rounding error grows with the height on the sensor.
    rounding_px = 1e-12 * np.abs(rim_px).max() + 1e-9 * f_m / number / pitch_m
    assert abs(coc_px) == pytest.approx(diameter_px, rel=1e-7, abs=rounding_px)
    if (
        diameter_px > 1e3 * rounding_px
    ):  # beyond the focus the rays have crossed: the picture of the aperture is reversed
        reversed_picture = np.sign(rim_px[0, 0] - rim_px[32, 0]) < 0
        assert (coc_px > 0) == reversed_picture == (depth_m > focus_m)


@pytest.mark.parametrize(("focus_m", "depth_m"), [(0.35, 1.2), (2.0, 0.5), (math.inf, 0.8), (0.4, math.inf)])
def test_a_disc_of_rays_has_a_quarter_of_the_diameter_as_deviation(focus_m, depth_m):
    lens, pitch_m = TracedLens(0.008, 1.4, focus_m), 3e-6
    coc_px = coc_from_inverse_depth(1 / depth_m, blur_gain(0.008, 1.4, pitch_m, 1 / focus_m), 1 / focus_m)
    landed_px = lens.on_sensor_m(lens.inside, (0.1, -0.2), depth_m) / pitch_m
    np.testing.assert_allclose(landed_px.std(axis=0), abs(coc_px) / 4, rtol=0.02)


@given(focal_lengths_m, f_numbers, pitches_m, st.floats(2.0, 1e4))
def test_gain_equals_the_formula_in_metres(f_m, number, pitch_m, focus_f):
    focus_m = focus_f * f_m
    textbook = f_m**2 * focus_m / (number * pitch_m * (focus_m - f_m))
    assert blur_gain(f_m, number, pitch_m, 1 / focus_m) == pytest.approx(textbook, rel=1e-9)


def test_gain_at_infinity_is_the_lens_constant():
    assert blur_gain(0.008, 1.4, 6e-6, 0.0) == pytest.approx(64e-6 / 8.4e-6)


def test_coc_at_infinity_in_focus_and_signs():
    assert coc_from_inverse_depth(0.0, 8.0, 2.5) == 20.0
    assert coc_from_inverse_depth(2.5, 8.0, 2.5) == 0.0
    assert coc_from_inverse_depth(4.0, 8.0, 2.5) < 0 < coc_from_inverse_depth(1.0, 8.0, 2.5)


@given(dioptres, gains, dioptres)
def test_inverse_depth_is_recovered_from_coc(inverse_depth_dpt, gain, focus):
    coc_px = coc_from_inverse_depth(inverse_depth_dpt, gain, focus)
    assert inverse_depth_from_coc(coc_px, gain, focus) == pytest.approx(inverse_depth_dpt, rel=1e-9, abs=1e-9)


@given(st.floats(-1e3, 1e3), gains, dioptres)
def test_coc_is_recovered_from_inverse_depth(coc_px, gain, focus):
    inverse_depth_dpt = inverse_depth_from_coc(coc_px, gain, focus)
    recovered = coc_from_inverse_depth(inverse_depth_dpt, gain, focus)
    assert recovered == pytest.approx(coc_px, rel=1e-9, abs=1e-9 * gain * (1 + focus))


def test_more_blur_than_infinity_has_gives_no_depth():
    assert inverse_depth_from_coc(8.0 * 2.5 + 0.1, 8.0, 2.5) < 0


@given(gains, dioptres, st.floats(0.1, 10.0))
def test_resizing_scales_blur_and_gain_alike(gain, focus, ratio):
    resized_coc_px = coc_from_inverse_depth(1.5, ratio * gain, focus)
    assert resized_coc_px == pytest.approx(ratio * coc_from_inverse_depth(1.5, gain, focus), rel=1e-9, abs=1e-12)


@given(gains, dioptres, st.floats(0.1, 5.0))
def test_limits_of_the_depth_of_field_have_the_acceptable_coc(gain, focus, acceptable_px):
    far_dpt, near_dpt = coc_limits_dpt(focus, gain, acceptable_px)
    assert coc_from_inverse_depth(near_dpt, gain, focus) == pytest.approx(-acceptable_px, rel=1e-6)
    assert coc_from_inverse_depth(far_dpt, gain, focus) == pytest.approx(acceptable_px, rel=1e-6)


@given(focal_lengths_m, f_numbers, pitches_m, st.floats(0.1, 5.0))
def test_at_the_hyperfocal_focus_infinity_has_the_acceptable_coc(f_m, number, pitch_m, acceptable_px):
    focus = hyperfocal_dpt(blur_gain(f_m, number, pitch_m, 0.0), f_m, acceptable_px)
    at_infinity_px = coc_from_inverse_depth(0.0, blur_gain(f_m, number, pitch_m, focus), focus)
    assert at_infinity_px == pytest.approx(acceptable_px, rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_and_tensors_give_what_floats_give(dtype):
    inverse_depths = np.array([[0.0, 0.5], [2.0, 3.5]], dtype)
    expected = [[coc_from_inverse_depth(float(value), 8.0, 2.5) for value in row] for row in inverse_depths]
    coc_array = coc_from_inverse_depth(inverse_depths, 8.0, 2.5)
    coc_tensor = coc_from_inverse_depth(torch.from_numpy(inverse_depths), 8.0, torch.tensor(2.5))
    assert isinstance(coc_array, np.ndarray) and coc_array.dtype == dtype
    assert isinstance(coc_tensor, torch.Tensor) and coc_tensor.numpy().dtype == dtype
    np.testing.assert_allclose(coc_array, expected)
    np.testing.assert_allclose(coc_tensor.numpy(), expected)
    np.testing.assert_allclose(inverse_depth_from_coc(coc_array, 8.0, 2.5), inverse_depths)
    np.testing.assert_allclose(inverse_depth_from_coc(coc_tensor, 8.0, 2.5).numpy(), inverse_depths)


def test_tensors_carry_gradients_through_both_directions():
    inverse_depth = torch.tensor([0.4, 1.0], requires_grad=True)
    coc_px = coc_from_inverse_depth(inverse_depth, blur_gain(0.008, 1.4, 6e-6, 2.5), 2.5)
    inverse_depth_from_coc(coc_px, 1.0, 2.5).sum().backward()
    assert inverse_depth.grad is not None
    np.testing.assert_allclose(inverse_depth.grad.numpy(), blur_gain(0.008, 1.4, 6e-6, 2.5), rtol=1e-6)
