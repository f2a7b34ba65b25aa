from __future__ import annotations

import math

import pytest

from defocus_depth.errors import OpticsError
from defocus_depth.messages.lens_setting import LensSetting, Skip, lens_of_crop, setting_at
from defocus_depth.messages.lens_state import LensState, LensStateBuffer
from defocus_depth.optics import blur_gain_px_per_dpt
from defocus_depth.types import LensParameters

ROBOT = LensParameters(0.008, 1.4, 6e-6, image_width_px=320)
GAIN_ONLY = LensParameters(blur_gain_px_per_dpt=10.0)
SECOND = 10**9


def buffer_of(*states: LensState) -> LensStateBuffer:
    buffer = LensStateBuffer()
    for state in states:
        buffer.add(state)
    return buffer


def test_without_any_state_the_usual_setting_holds() -> None:
    assert setting_at(5, LensStateBuffer(), LensSetting(ROBOT, 0.35), 0.1) == LensSetting(ROBOT, 0.35)


def test_an_unknown_focus_is_skipped() -> None:
    skip = setting_at(5, LensStateBuffer(), LensSetting(ROBOT, None), 0)
    expected = "expected lens_state, focus_distance_m or a lens file's near_focus_distance_m, got none of them"
    assert skip == Skip("focus_unknown", f"focus distance: {expected}")


def test_the_state_at_the_stamp_replaces_focus_f_number_and_focal_length() -> None:
    states = buffer_of(LensState(1, 0.5), LensState(3, math.inf, 2.8, 0.016), LensState(7, 9.0))
    setting = setting_at(5, states, LensSetting(ROBOT, 0.35), 0)
    assert setting == LensSetting(LensParameters(0.016, 2.8, 6e-6, image_width_px=320), math.inf)
    assert setting_at(2, states, LensSetting(ROBOT, 0.35), 0) == LensSetting(ROBOT, 0.5)
    assert setting_at(2, states, LensSetting(ROBOT, 0.4, 0.35), 0) == LensSetting(ROBOT, 0.5, 0.35)


def test_a_blur_gain_follows_focal_length_and_f_number() -> None:
    lens = LensParameters(0.008, 1.4, blur_gain_px_per_dpt=10.0)
    setting = setting_at(1, buffer_of(LensState(0, math.inf, 2.8, 0.016)), LensSetting(lens, None), 0)
    assert isinstance(setting, LensSetting)
    assert blur_gain_px_per_dpt(setting.lens, 0.0, 640) == pytest.approx(10 * 4 / 2)


def test_a_blur_gain_alone_cannot_follow() -> None:
    with pytest.raises(OpticsError, match="expected a lens whose f_number is known, got one with a blur gain alone"):
        setting_at(1, buffer_of(LensState(0, 1.0, 2.8)), LensSetting(GAIN_ONLY, None), 0)
    assert setting_at(1, buffer_of(LensState(0, 1.0)), LensSetting(GAIN_ONLY, None), 0) == LensSetting(GAIN_ONLY, 1.0)


@pytest.mark.parametrize(("age_s", "max_age_s", "holds"), [(0.4, 0.5, True), (0.6, 0.5, False), (3600, 0, True)])
def test_states_age_unless_they_are_latched(age_s: float, max_age_s: float, holds: bool) -> None:
    outcome = setting_at(int(age_s * SECOND), buffer_of(LensState(0, 0.5)), LensSetting(ROBOT, 0.35), max_age_s)
    assert (
        outcome == LensSetting(ROBOT, 0.5)
        if holds
        else outcome == Skip("lens_state_stale", "lens_state: expected one at most 0.5 s old, got one 0.600 s old")
    )


def test_a_travelling_lens_and_states_from_the_future_are_skipped_not_replaced_by_the_parameters() -> None:
    travelling = setting_at(
        9, buffer_of(LensState(1, 0.5), LensState(2, 0.6, travelling=True)), LensSetting(ROBOT, 0.35), 0
    )
    assert isinstance(travelling, Skip) and travelling.kind == "lens_travelling"
    later = setting_at(9, buffer_of(LensState(10, 0.5)), LensSetting(ROBOT, 0.35), 0)
    assert isinstance(later, Skip) and later.kind == "lens_state_later"


def test_cropping_changes_no_blur() -> None:
    full = blur_gain_px_per_dpt(ROBOT, 1.0, 1280)
    cropped = lens_of_crop(ROBOT, 500, full_width_px=1280)
    assert blur_gain_px_per_dpt(cropped, 1.0, 500) == pytest.approx(full)
    assert lens_of_crop(ROBOT, 640, full_width_px=640) == ROBOT
    assert lens_of_crop(GAIN_ONLY, 640, full_width_px=1280) == GAIN_ONLY
