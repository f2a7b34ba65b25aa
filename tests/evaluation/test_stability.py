from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from defocus_depth.evaluation.stability import Moment, flicker_rel

SHAPE = (40, 60)
GREY = np.random.default_rng(6).integers(20, 235, SHAPE, np.uint8)
TRUTH = np.full(SHAPE, 2.0, np.float32)


def moment(depth_m: float, **changes: np.ndarray) -> Moment:
    return dataclasses.replace(Moment(GREY, np.full(SHAPE, depth_m, np.float32), TRUTH), **changes)


def test_nothing_changes() -> None:
    assert flicker_rel(moment(1.7), moment(1.7)) == 0


@pytest.mark.parametrize(("before", "now"), [(1.0, 1.1), (1.1, 1.0)])
def test_a_change_of_the_prediction_is_flicker(before: float, now: float) -> None:
    assert flicker_rel(moment(before), moment(now)) == pytest.approx(math.log(1.1), rel=1e-5)


def test_noise_of_the_picture_is_not_motion() -> None:
    noisy = (GREY + np.random.default_rng(7).normal(0, 5, SHAPE)).astype(np.uint8)
    assert flicker_rel(moment(1.0), moment(1.05, grey=noisy)) == pytest.approx(math.log(1.05), rel=1e-4)


@pytest.mark.parametrize("change", [-20, 20])
def test_a_change_of_the_light_to_either_side_is_no_rest(change: int) -> None:
    assert math.isnan(flicker_rel(moment(1.0), moment(1.0, grey=(GREY.astype(int) + change).astype(np.uint8))))


def test_a_moving_camera_or_scene_does_not_count() -> None:
    assert math.isnan(flicker_rel(moment(1.0), moment(1.0, grey=np.roll(GREY, 4, axis=1))))
    assert math.isnan(flicker_rel(moment(1.0), moment(1.0, truth_m=TRUTH * np.float32(1.02))))


def test_moving_pixels_are_left_out() -> None:
    truth_m = TRUTH.copy()
    truth_m[:10] = 1.0  # an object came in
    predicted_m = np.full(SHAPE, 1.0, np.float32)
    predicted_m[:10] = 0.5
    predicted_m[20, 20] = np.nan
    assert flicker_rel(moment(1.0), moment(1.0, truth_m=truth_m, predicted_m=predicted_m)) == 0


def test_without_truth_the_picture_decides() -> None:
    unknown = np.full(SHAPE, np.nan, np.float32)
    assert flicker_rel(moment(1.0, truth_m=unknown), moment(2.0, truth_m=unknown)) == pytest.approx(math.log(2))


def test_a_change_of_resolution_is_no_pair() -> None:
    small = Moment(np.ones((4, 4), np.uint8), *(np.ones((4, 4), np.float32) for _ in range(2)))
    assert math.isnan(flicker_rel(small, moment(1.0)))
