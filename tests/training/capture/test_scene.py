"""Stacks of the simulated camera: what they say, and what is said of bumps, people and lamps that warm up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.stacks import load_ground_truth, load_image, read_stack, validate_stack
from defocus_training.capture.drivers.simulated import SimulatedBench
from defocus_training.capture.step import StepOptions, move, take_step

Make = Callable[..., Any]


def test_a_captured_stack_is_valid_and_says_what_happened(make_session: Make, bench: SimulatedBench, flags_of: Make):
    (stack,) = make_session(bench)
    assert validate_stack(stack.path) == [] and flags_of(stack) == {}
    assert stack.metric and stack.lens == bench.rig.lens and stack.camera == bench.rig.camera
    distances = [frame.focus_distance_m for frame in stack.frames]
    assert distances == pytest.approx([0.4, 0.545, 0.857, 2.0, 0.4], rel=0.005)
    assert [frame.repeat_of for frame in stack.frames] == [None] * 4 + [0]
    assert all(frame.sharpness and frame.focus_position and frame.exposure_s == 0.01 for frame in stack.frames)
    stamps = [frame.stamp_ns or 0 for frame in stack.frames]
    assert stamps == sorted(stamps) and stamps[0] > 0
    assert stack.source["repeat_moved_px"] < 0.1
    truth = load_ground_truth(stack)
    assert truth is not None and 0.4 < np.nanmin(truth) < np.nanmax(truth) < 3.0


def test_the_reported_distances_are_the_true_ones_in_spite_of_backlash(
    make_bench: Make, scale_of: Make, recipe_of: Make
):
    bench = make_bench()
    rig = bench.open()
    recipe = recipe_of(bench, rig)
    scale = scale_of(bench)
    move(rig, recipe.overshoot_position, recipe.options)
    for position in recipe.positions:
        take_step(rig, position, recipe.options, "srgb")
        assert 1 / bench.true_focus_dpt() == pytest.approx(scale.distance_m(position), rel=0.01)


def test_the_same_positions_from_the_other_side_are_elsewhere(bench: SimulatedBench):
    """That the overshoot matters: without it the first step of a second sweep would be off by the play."""
    rig, options = bench.open(), StepOptions()
    for beyond in (900.0, 100.0):
        move(rig, beyond, options)
        move(rig, 500.0, options)
        if beyond == 900.0:
            from_near = bench.true_focus_dpt()
    assert from_near - bench.true_focus_dpt() == pytest.approx(0.02 * 3.5, rel=0.1)


def test_several_pictures_are_averaged_into_16_bits(
    make_session: Make, make_bench: Make, tmp_path: Path, recipe_of: Make
):
    (averaged,) = make_session(make_bench(), frames_per_step=8)
    image = load_image(averaged, 0)
    assert image.dtype == np.uint16
    bench = make_bench()
    rig = bench.open()
    recipe = recipe_of(bench, rig)
    move(rig, recipe.overshoot_position, recipe.options)
    move(rig, recipe.positions[0], recipe.options)
    singles = [rig.camera.next_image().pixels.astype(float) / 255 for _ in range(12)]
    truth = np.mean(singles, axis=0)
    single_error = np.std(singles[0] - truth)
    assert np.std(image / 65535 - truth) < 0.6 * single_error
    assert singles[0].shape == (72, 96, 3)


def test_one_picture_per_step_is_kept_as_it_came(make_session: Make, bench: SimulatedBench, flags_of: Make):
    (stack,) = make_session(bench, frames_per_step=1)
    assert load_image(stack, 0).dtype == np.uint8 and flags_of(stack) == {}


def test_a_stack_without_calibration_is_not_metric(make_session: Make, bench: SimulatedBench):
    (stack,) = make_session(bench, metric=False)
    assert not stack.metric and validate_stack(stack.path) == []
    coordinates = [frame.focus_coordinate for frame in stack.frames]
    assert coordinates[:4] == sorted(coordinates[:4], reverse=True) and coordinates[0] == coordinates[4]
    assert "focus_distance_m" not in json.loads((stack.path / "stack.json").read_text())["frames"][0]


def test_a_bump_between_steps_is_flagged_from_there_on(make_session: Make, make_bench: Make, flags_of: Make):
    def bump(now_s: float, radiance: np.ndarray) -> np.ndarray:
        return np.roll(radiance, 4, axis=1) if now_s > 0.8 else radiance

    (stack,) = make_session(make_bench(bump))
    flags = flags_of(stack)
    first_flagged = min(file for file, names in flags.items() if "moved" in names)
    assert first_flagged in ("002.png", "003.png") and "000.png" not in flags
    assert "drift" in flags["004.png"] and stack.source["repeat_moved_px"] == pytest.approx(4.0, abs=0.3)


def test_a_step_in_which_something_moved_is_repeated(make_session: Make, make_bench: Make, flags_of: Make):
    def shake(now_s: float, radiance: np.ndarray) -> np.ndarray:
        return np.roll(radiance, round(40 * now_s), axis=0) if now_s < 0.45 else radiance

    (stack,) = make_session(make_bench(shake), motion_retries=6)
    assert flags_of(stack) == {}


def test_motion_that_does_not_end_is_flagged(make_session: Make, make_bench: Make):
    def person(now_s: float, radiance: np.ndarray) -> np.ndarray:
        """Somebody walks through a corner of the picture."""
        changed = radiance.copy()
        left = int(60 * now_s) % 64
        changed[:40, left : left + 32] = 0.9
        return changed

    (stack,) = make_session(make_bench(person))
    assert all("motion" in frame.flags for frame in stack.frames)


def test_drifting_exposure_is_flagged_where_it_drifted(make_session: Make, make_bench: Make, flags_of: Make):
    (stack,) = make_session(make_bench(lambda now_s, radiance: radiance * np.float32(1 + 0.06 * now_s)))
    flags = flags_of(stack)
    assert "000.png" not in flags and "exposure_drift" in flags["003.png"] and "exposure_drift" in flags["004.png"]
    ratios = stack.source["exposure_ratios"]
    assert ratios == sorted(ratios) and ratios[-1] > 1.04
    assert validate_stack(stack.path) == []


def test_breathing_is_estimated_stored_and_the_originals_kept(make_session: Make, make_bench: Make):
    (stack,) = make_session(make_bench(breathing_per_dpt=0.03, width_px=160))
    assert stack.source["breathing_per_coordinate"] == pytest.approx(0.03, abs=0.006)
    affine = stack.frames[3].to_reference
    assert stack.frames[0].to_reference is None and affine is not None
    assert affine[0][0] == pytest.approx((1 + 0.03 / 0.4) / (1 + 0.03 / 2.0), abs=0.012)
    assert read_stack(stack.path).frames[3].to_reference == affine


def test_a_first_step_without_room_for_the_overshoot_is_flagged(make_bench: Make, make_session: Make, flags_of: Make):
    (stack,) = make_session(make_bench(), overshoot=0.6)
    assert [file for file, names in flags_of(stack).items() if "backlash" in names] == ["000.png", "004.png"]


def test_a_lens_that_does_not_move_is_flagged(make_session: Make, bench: SimulatedBench, flags_of: Make):
    bench.lens._position = lambda now_s: 500.0
    (stack,) = make_session(bench)
    assert all("same_focus" in flags for flags in flags_of(stack).values()) and len(flags_of(stack)) == 5


def test_a_lens_that_leaves_under_the_pictures_is_flagged(bench: SimulatedBench, monkeypatch: pytest.MonkeyPatch):
    rig = bench.open()
    assert take_step(rig, 500.0, StepOptions(), "srgb").flags == ()
    really = bench.picture

    def picture() -> Any:
        bench.lens.go_to(502.0, bench.now_s())
        return really()

    monkeypatch.setattr(bench, "picture", picture)
    assert take_step(rig, 600.0, StepOptions(motion_retries=0, motion_px=99, motion_contrast=99), "srgb").flags == (
        "position",
    )


@pytest.mark.parametrize(
    ("name", "value"), [("overshoot", -0.1), ("overshoot", np.nan), ("settle_s", -1.0), ("discard_frames", -1)]
)
def test_steps_that_make_no_sense_are_refused(make_session: Make, bench: SimulatedBench, name: str, value: float):
    with pytest.raises(ConfigError, match=f"{name}: expected 0..*, got"):
        list(make_session(bench, **{name: value}))
