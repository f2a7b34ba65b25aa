"""Where sweeps stop."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defocus_depth.errors import ConfigError, DeviceError
from defocus_depth.optics.focus_curve import FocusCurve
from defocus_depth.types import LensParameters
from defocus_training.capture.devices import FocusRange
from defocus_training.capture.plan import FocusScale, SweepRequest, planned_positions

LENS = LensParameters(8e-3, 1.4, 6e-6)
CURVE = FocusCurve("affine", (0.0, 1000.0), (0.0, 4.0))
SCALE = FocusScale(FocusRange(0, 1000), CURVE, LENS)
FALLING = FocusScale(
    FocusRange(0, 1000, 1.0, nearer_is_higher=False), FocusCurve("affine", (0.0, 1000.0), (4.0, 0.0)), LENS
)


def test_distances_become_positions_nearest_first():
    request = SweepRequest(focus_distances_m=(math.inf, 0.5, 2.0))
    assert planned_positions(request, SCALE, 50) == [500.0, 125.0, 0.0]
    assert planned_positions(request, FALLING, 50) == [500.0, 875.0, 1000.0]


def test_near_far_and_count_are_spread_evenly_in_dioptres():
    positions = planned_positions(SweepRequest(near_m=0.5, far_m=2.0, count=4), SCALE, 50)
    assert positions == [500.0, 375.0, 250.0, 125.0]


@pytest.mark.parametrize(("scale", "nearest"), [(SCALE, 950.0), (FALLING, 50.0)])
def test_the_whole_range_leaves_room_for_the_overshoot(scale: FocusScale, nearest: float):
    assert planned_positions(SweepRequest(count=3), scale, 50)[0] == nearest
    blind = FocusScale(scale.range)
    assert planned_positions(SweepRequest(count=3), blind, 50)[0] == nearest


def test_an_uncalibrated_lens_is_swept_by_position_and_not_metric():
    blind = FocusScale(FocusRange(0, 100))
    assert planned_positions(SweepRequest(count=3), blind, 10) == [90.0, 45.0, 0.0] and not blind.metric
    assert math.isnan(blind.distance_m(5.0)) and blind.coordinate(5.0) == 5.0
    assert FocusScale(FocusRange(0, 9, nearer_is_higher=False)).coordinate(5.0) == -5.0


@pytest.mark.parametrize(
    ("request_", "scale", "message"),
    [
        (SweepRequest(near_m=0.3), FocusScale(FocusRange(0, 9)), "expected a lens file with a focus_curve"),
        (SweepRequest(near_m=0.2), SCALE, "expected 0.25..inf m"),
        (SweepRequest(focus_distances_m=(0.5,)), SCALE, "expected ≥ 2, got 1"),
        (SweepRequest(focus_distances_m=(0.5, 0.5001)), SCALE, "positions of their own"),
        (SweepRequest(near_m=2.0, far_m=0.5), SCALE, "0 < near < far"),
        (SweepRequest(count=1), FocusScale(FocusRange(0, 9)), "expected ≥ 2 focus steps, got 1"),
        (SweepRequest(count=40), FocusScale(FocusRange(0, 9)), "take fewer"),
    ],
)
def test_what_no_sweep_can_do_is_refused(request_: SweepRequest, scale: FocusScale, message: str):
    with pytest.raises(ConfigError, match=message):
        planned_positions(request_, scale, 0.0)


@given(st.floats(0.2501, 1000.0))
def test_distance_and_position_are_inverse_within_a_step(distance_m: float):
    back = SCALE.distance_m(SCALE.position(distance_m))
    assert abs(1 / back - 1 / distance_m) <= 0.5 * 4.0 / 1000 + 1e-9 if math.isfinite(back) else distance_m > 400


def test_focus_beyond_infinity_is_infinity():
    scale = FocusScale(FocusRange(0, 10), FocusCurve("affine", (0.0, 10.0), (-0.1, 4.0)), LENS)
    assert scale.distance_m(0.0) == math.inf


@given(st.floats(-50, 150), st.sampled_from([0.5, 1.0, 3.0, 7.0]))
def test_the_nearest_grid_position_is_nearest_and_in_range(position: float, step: float):
    limits = FocusRange(0.0, 100.0, step)
    found = limits.nearest(position)
    assert 0 <= found <= 100 and found / step == pytest.approx(round(found / step))
    clipped = min(max(position, 0.0), 100.0)
    assert abs(found - clipped) <= step / 2 + 1e-9 or found + step > 100


def test_a_range_without_extent_is_refused():
    with pytest.raises(DeviceError, match="expected least < most"):
        FocusRange(5, 5)


@pytest.mark.parametrize("nearer_is_higher", [True, False])
def test_a_curve_that_rises_the_other_way_is_refused(nearer_is_higher: bool):
    curve = FocusCurve("affine", (0.0, 100.0), (4.0, 0.0) if nearer_is_higher else (0.0, 4.0))
    with pytest.raises(ConfigError, match=f"nearer_is_higher: expected {not nearer_is_higher}"):
        FocusScale(FocusRange(0.0, 100.0, nearer_is_higher=nearer_is_higher), curve)
