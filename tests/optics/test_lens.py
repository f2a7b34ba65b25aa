"""Lens parameters to blur gain, depth of field, hyperfocal distance and focus sweeps."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from defocus_depth import optics
from defocus_depth.errors import OpticsError
from defocus_depth.types import LensParameters

ROBOT = LensParameters(focal_length_m=0.008, f_number=1.4, pixel_pitch_m=6e-6, image_width_px=320)
FULL_FRAME = LensParameters(focal_length_m=0.05, f_number=2.0, pixel_pitch_m=6e-6)

lenses = st.builds(
    LensParameters,
    focal_length_m=st.floats(0.002, 0.1),
    f_number=st.floats(0.8, 22.0),
    pixel_pitch_m=st.floats(1e-6, 2e-5),
    image_width_px=st.one_of(st.none(), st.integers(64, 8000)),
    focus_offset_m=st.floats(-0.05, 0.05),
)
by_gain = st.builds(
    LensParameters,
    blur_gain_px_per_dpt=st.floats(0.1, 1e3),
    focal_length_m=st.one_of(st.none(), st.floats(0.002, 0.1)),
    image_width_px=st.integers(64, 8000),
)


@given(lenses, st.floats(0.0, 4.0))
def test_focus_distance_and_dioptres_are_inverse(lens, focus):
    distance_m = optics.focus_distance_m(focus, lens)
    assume(distance_m > 0)
    assert optics.focus_dpt(distance_m, lens) == pytest.approx(focus, rel=1e-9, abs=1e-12)


def test_focus_distances_count_from_the_entrance_pupil():
    lens = LensParameters(blur_gain_px_per_dpt=8.0, focus_offset_m=0.02)
    assert optics.focus_dpt(0.52, lens) == pytest.approx(2.0)
    assert optics.focus_dpt(0.5) == pytest.approx(2.0)
    assert optics.focus_dpt(math.inf, lens) == 0.0
    assert optics.focus_distance_m(0.0, lens) == math.inf
    np.testing.assert_allclose(optics.focus_distances_dpt([0.5, 1.0, math.inf]), [2.0, 1.0, 0.0])


@pytest.mark.parametrize("distance_m", [0.0, -1.0, -math.inf, math.nan])
def test_refuses_distances_that_are_none(distance_m):
    with pytest.raises(OpticsError, match=rf"focus_distance_m: expected > 0 \(inf allowed\), got {distance_m}"):
        optics.focus_dpt(distance_m, ROBOT)


@pytest.mark.parametrize("distance_m", [0.008, 0.004])
def test_refuses_focus_inside_the_focal_length(distance_m):
    with pytest.raises(OpticsError, match=f"expected beyond the focal length 0.008 m, got {distance_m} m"):
        optics.focus_dpt(distance_m, ROBOT)


@pytest.mark.parametrize("focus", [-0.1, math.inf, math.nan])
def test_refuses_dioptres_that_are_no_distance(focus):
    with pytest.raises(OpticsError, match=f"focus_dpt: expected finite and ≥ 0, got {focus}"):
        optics.focus_distance_m(focus)


@pytest.mark.parametrize("focus", [-0.1, 125.0, 200.0, math.nan])
def test_refuses_a_gain_where_no_image_forms(focus):
    with pytest.raises(OpticsError, match=r"expected in \[0, 1/f\), got .* with f = 0.008 m"):
        optics.blur_gain_px_per_dpt(ROBOT, focus, 320)


def test_gain_of_the_robot_lens():
    """f²/(N·p) = 64 mm² / (1.4 · 6 µm) = 7.62 px/dpt at infinity; s/(s − f) more at 0.35 m; twice both at 640 px."""
    assert optics.lens_constant_px_per_dpt(ROBOT, 320) == pytest.approx(7.6190476)
    assert optics.blur_gain_px_per_dpt(ROBOT, 0.0, 640) == pytest.approx(15.2380952)
    assert optics.blur_gain_px_per_dpt(ROBOT, 1 / 0.35, 320) == pytest.approx(7.6190476 * 0.35 / 0.342)


@given(lenses, st.floats(0.0, 4.0), st.integers(64, 8000))
def test_gain_known_directly_equals_gain_from_geometry(lens, focus, width_px):
    constant = optics.lens_constant_px_per_dpt(lens, lens.image_width_px or width_px)
    twin = LensParameters(
        focal_length_m=lens.focal_length_m, blur_gain_px_per_dpt=constant, image_width_px=lens.image_width_px
    )
    assert optics.blur_gain_px_per_dpt(twin, focus, width_px) == pytest.approx(
        optics.blur_gain_px_per_dpt(lens, focus, width_px), rel=1e-9
    )


def test_gain_without_a_focal_length_does_not_breathe():
    lens = LensParameters(blur_gain_px_per_dpt=8.0, image_width_px=640)
    assert optics.blur_gain_px_per_dpt(lens, 10.0, 640) == optics.blur_gain_px_per_dpt(lens, 0.0, 640) == 8.0


@given(st.one_of(lenses, by_gain), st.floats(0.2, 5.0))
def test_a_resized_lens_blurs_by_the_ratio(lens, ratio):
    smaller = optics.resized(lens, ratio)
    width_px = lens.image_width_px or 640
    resized_width_px = smaller.image_width_px or 640
    expected = optics.blur_gain_px_per_dpt(lens, 2.0, width_px)
    expected *= resized_width_px / width_px if lens.image_width_px else ratio
    assert optics.blur_gain_px_per_dpt(smaller, 2.0, resized_width_px) == pytest.approx(expected, rel=1e-9)


@given(st.builds(LensParameters, blur_gain_px_per_dpt=st.floats(0.1, 1e3), image_width_px=st.integers(64, 4000)))
def test_resizing_there_and_back_is_the_same_lens(lens):
    back = optics.resized(optics.resized(lens, 3.0), 1 / 3)
    assert back.image_width_px == lens.image_width_px
    assert back.blur_gain_px_per_dpt == pytest.approx(lens.blur_gain_px_per_dpt, rel=1e-9)


def test_a_resized_lens_describes_the_same_glass():
    """The gain for one image does not depend on the width for which the pitch is written down."""
    assert optics.lens_constant_px_per_dpt(optics.resized(ROBOT, 2.0), 640) == pytest.approx(
        optics.lens_constant_px_per_dpt(ROBOT, 640)
    )


@pytest.mark.parametrize("ratio", [0.0, -0.5, math.inf, math.nan])
def test_refuses_a_ratio_that_resizes_nothing(ratio):
    with pytest.raises(OpticsError, match=f"resize ratio: expected a finite number > 0, got {ratio}"):
        optics.resized(ROBOT, ratio)


def test_depth_of_field_of_a_textbook_lens():
    """50 mm f/2 at 3 m, circle 0.03 mm = 5 px: near H·s/(H + s − f), far H·s/(H − s + f), H = f²/(N·c) = 41.667 m."""
    near_m, far_m = optics.depth_of_field_m(FULL_FRAME, 1 / 3.0, 6000, acceptable_coc_px=5.0)
    assert near_m == pytest.approx(41.6666667 * 3 / (41.6666667 + 2.95))
    assert far_m == pytest.approx(41.6666667 * 3 / (41.6666667 - 2.95))


@given(lenses, st.floats(0.05, 4.0), st.floats(0.2, 5.0))
def test_depth_of_field_ends_where_blur_is_acceptable(lens, focus, acceptable_px):
    width_px = lens.image_width_px or 640
    near_m, far_m = optics.depth_of_field_m(lens, focus, width_px, acceptable_px)
    gain = optics.blur_gain_px_per_dpt(lens, focus, width_px)
    assert near_m < 1 / focus < far_m
    assert optics.coc_from_inverse_depth(1 / near_m, gain, focus) == pytest.approx(-acceptable_px, rel=1e-6)
    if math.isfinite(far_m):
        assert optics.coc_from_inverse_depth(1 / far_m, gain, focus) == pytest.approx(acceptable_px, rel=1e-6)
    else:
        assert gain * focus <= acceptable_px * (1 + 1e-9)


def test_hyperfocal_distance_of_a_textbook_lens():
    assert optics.hyperfocal_distance_m(FULL_FRAME, 6000, 5.0) == pytest.approx(0.05**2 / (2 * 0.03e-3) + 0.05)


@given(lenses, st.floats(0.2, 5.0))
def test_at_the_hyperfocal_distance_the_field_reaches_from_half_of_it_to_infinity(lens, acceptable_px):
    width_px = lens.image_width_px or 640
    hyperfocal_m = optics.hyperfocal_distance_m(lens, width_px, acceptable_px)
    slightly_farther_dpt = (1 - 1e-9) / hyperfocal_m
    near_m, far_m = optics.depth_of_field_m(lens, slightly_farther_dpt, width_px, acceptable_px)
    assert near_m == pytest.approx(hyperfocal_m / 2, rel=1e-6)
    assert far_m == math.inf
    assert optics.depth_of_field_m(lens, (1 + 1e-6) / hyperfocal_m, width_px, acceptable_px)[1] < math.inf


@given(st.floats(0.05, 5.0), st.one_of(st.floats(5.1, 1e4), st.just(math.inf)), st.integers(2, 60))
def test_a_sweep_has_equal_steps_of_blur(near_m, far_m, count):
    sweep_m = optics.focus_sweep_m(near_m, far_m, count)
    assert len(sweep_m) == count
    assert (sweep_m[0], sweep_m[-1]) == (pytest.approx(near_m), pytest.approx(far_m))
    coc_px = 8.0 * optics.focus_distances_dpt(sweep_m)  # of a point at infinity, seen through G = 8 px/dpt
    np.testing.assert_allclose(np.diff(coc_px), -(8.0 / near_m - 8.0 / far_m) / (count - 1), rtol=1e-6)


@pytest.mark.parametrize(
    ("near_m", "far_m", "count"), [(1.0, 0.5, 3), (0.0, 1.0, 3), (0.5, 1.0, 1), (math.nan, 1.0, 3), (0.5, math.nan, 3)]
)
def test_refuses_a_sweep_that_is_none(near_m, far_m, count):
    with pytest.raises(OpticsError, match="focus sweep: expected 0 < near < far and count ≥ 2"):
        optics.focus_sweep_m(near_m, far_m, count)
