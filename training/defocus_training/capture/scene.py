"""One focal stack: a sweep from near to far, frame by frame onto the disk, examined and written as a stack folder."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from defocus_depth.stacks import write_stack
from defocus_depth.types import CameraIntrinsics, FocalStack, Frame, ImageArray, Transfer

from .alignment import moved_px
from .breathing import Breathing, drifts, estimate_breathing, exposure_ratios
from .devices import CaptureRig
from .journal import UNFINISHED, Journal, TakenFrame
from .measures import linear_pixels, small_luminance
from .plan import FocusScale
from .step import StepOptions, move, moves_between, take_step

MOVED, EXPOSURE_DRIFT, DRIFT, BACKLASH = "moved", "exposure_drift", "drift", "backlash"
SAME_FOCUS = "same_focus"
_MOST_SHARPNESS_CHANGE = 0.15  # between the first step and its repetition
_LEAST_SHARPNESS_CHANGE = 0.02  # over a sweep: less, and the lens does not move, or nothing has texture

OnFrame = Callable[[TakenFrame, ImageArray], None]


@dataclass(frozen=True)
class SceneRecipe:
    """What all stacks of a session have in common.

    Attributes:
        positions: of the steps, nearest focus first; the first one is repeated at the end.
        camera: intrinsics at the pictures' size.
        source: free facts for the stacks' `source`.
    """

    scale: FocusScale
    positions: tuple[float, ...]
    camera: CameraIntrinsics
    options: StepOptions = field(default_factory=StepOptions)
    transfer: Transfer = "srgb"
    temperature_c: float | None = None
    source: dict[str, Any] = field(default_factory=dict)

    @property
    def steps(self) -> tuple[float, ...]:
        """All positions that are visited, the repetition of the first one included."""
        return (*self.positions, self.positions[0])

    @property
    def overshoot_position(self) -> float:
        """Where the lens goes before the first step, so that it comes from the near side."""
        limits = self.scale.range
        return limits.nearest(self.positions[0] + limits.towards_near * self.options.overshoot * limits.span)

    @property
    def overshoot_fits(self) -> bool:
        """Whether the range leaves room for the whole overshoot."""
        limits = self.scale.range
        room = abs(self.overshoot_position - self.positions[0])
        return room >= self.options.overshoot * limits.span - limits.step

    def plan(self) -> dict[str, Any]:
        """What must be equal for frames to belong to one stack."""
        size = [self.camera.width, self.camera.height]
        return {"positions": self.positions, "frames_per_step": self.options.frames_per_step, "size": size}


def capture_scene(rig: CaptureRig, recipe: SceneRecipe, path: Path, on_frame: OnFrame) -> FocalStack:
    """Take one focal stack into folder `path`; goes on where an interrupted one ended, if the view is still the same.

    Args:
        on_frame: told every frame, those found on the disk included.

    Raises:
        DeviceError: actuator or camera failed; finished frames wait for the next try.
        StackError: the disk refuses; finished frames wait for the next try.
    """
    journal = Journal(path.parent / UNFINISHED / path.name, recipe.plan())
    if journal.taken and not _view_is_the_same(rig, recipe, journal):
        journal.set_aside()
    for index, frame in enumerate(journal.taken):
        on_frame(frame, journal.image(index))
    _sweep(rig, recipe, journal, on_frame)
    stack = _written(rig, recipe, journal, path)
    journal.remove()
    return stack


def _view_is_the_same(rig: CaptureRig, recipe: SceneRecipe, journal: Journal) -> bool:
    """Takes the last finished step again and compares."""
    last = journal.taken[-1]
    move(rig, recipe.overshoot_position, recipe.options)
    again = take_step(rig, recipe.steps[last.step], recipe.options, recipe.transfer)
    before, now = (
        small_luminance(linear_pixels(pixels, recipe.transfer)) for pixels in (journal.image(-1), again.pixels)
    )
    return before.shape == now.shape and not moves_between(before, now, recipe.options)


def _sweep(rig: CaptureRig, recipe: SceneRecipe, journal: Journal, on_frame: OnFrame) -> None:
    begins = True
    for index in range(len(journal.taken), len(recipe.steps)):
        repeats = index == len(recipe.positions)
        if begins or repeats:
            move(rig, recipe.overshoot_position, recipe.options)
        begins = False
        picture = take_step(rig, recipe.steps[index], recipe.options, recipe.transfer)
        on_frame(journal.add(index, picture), picture.pixels)


def _written(rig: CaptureRig, recipe: SceneRecipe, journal: Journal, path: Path) -> FocalStack:
    images = [journal.image(index) for index in range(len(journal.taken))]
    findings = _examine(recipe, journal.taken, images)
    frames = [_frame(recipe, taken, findings) for taken in journal.taken]
    meta = FocalStack(
        path=path,
        frames=tuple(frames),
        lens=recipe.scale.lens,
        camera=recipe.camera,
        transfer=recipe.transfer,
        metric=recipe.scale.metric,
        source={"kind": "captured", **recipe.source, **findings.facts()},
    )
    # The lens stands at the first step again, whose frame is the reference.
    truth = rig.true_depth_m() if rig.true_depth_m else None
    return write_stack(path, meta, images, truth)


@dataclass(frozen=True)
class _Findings:
    """What the frames of a finished sweep say about it.

    Attributes:
        exposure_ratios: brightness of each frame over the first one's.
        repeat_moved_px: shift between the first step and its repetition, px of a picture about 320 px wide.
        repeat_sharpness: sharpness of the repetition over the first step's.
    """

    breathing: Breathing
    exposure_ratios: tuple[float, ...]
    repeat_moved_px: float
    repeat_sharpness: float
    repeat_drifts: bool
    same_focus: bool

    def facts(self) -> dict[str, Any]:
        """For the stack's `source`; unknown numbers are left out."""
        found = {
            "breathing_per_coordinate": self.breathing.per_dpt,
            "breathing_standard_error": self.breathing.standard_error,
            "repeat_moved_px": self.repeat_moved_px,
            "repeat_sharpness_ratio": self.repeat_sharpness,
        }
        known = {name: round(value, 6) for name, value in found.items() if math.isfinite(value)}
        return {**known, "exposure_ratios": [round(ratio, 5) for ratio in self.exposure_ratios]}


def _examine(recipe: SceneRecipe, taken: list[TakenFrame], images: list[ImageArray]) -> _Findings:
    luminances = [small_luminance(linear_pixels(image, recipe.transfer)) for image in images]
    coordinates = [recipe.scale.coordinate(frame.position) for frame in taken[:-1]]
    exposures = exposure_ratios(luminances)
    moved = moved_px(luminances[0], luminances[-1])
    sharpness = taken[-1].sharpness / max(1e-12, taken[0].sharpness)
    drifted = (
        moves_between(luminances[0], luminances[-1], recipe.options)
        or abs(sharpness - 1) > _MOST_SHARPNESS_CHANGE
        or drifts(float(exposures[-1]))
    )
    seen = [frame.sharpness for frame in taken]
    same = max(seen) <= (1 + _LEAST_SHARPNESS_CHANGE) * min(seen)
    breathing = estimate_breathing(luminances[:-1], coordinates)
    return _Findings(breathing, tuple(map(float, exposures)), moved, sharpness, drifted, same)


def _frame(recipe: SceneRecipe, taken: TakenFrame, findings: _Findings) -> Frame:
    repeats = taken.step == len(recipe.positions)
    reference = recipe.scale.coordinate(recipe.positions[0])
    size = (recipe.camera.width, recipe.camera.height)
    coordinate = recipe.scale.coordinate(taken.position)
    return Frame(
        file=taken.file,
        focus_distance_m=recipe.scale.distance_m(taken.position),
        focus_coordinate=None if recipe.scale.metric else coordinate,
        focus_position=taken.position,
        exposure_s=taken.exposure_s,
        gain=taken.gain,
        stamp_ns=taken.stamp_ns,
        temperature_c=recipe.temperature_c,
        sharpness=taken.sharpness,
        to_reference=findings.breathing.to_reference(coordinate, reference, size),
        flags=_flags(recipe, taken, findings),
        repeat_of=0 if repeats else None,
    )


def _flags(recipe: SceneRecipe, taken: TakenFrame, findings: _Findings) -> tuple[str, ...]:
    repeats = taken.step == len(recipe.positions)
    found = {
        MOVED: any(jump <= taken.step for jump in findings.breathing.jumps) and not repeats,
        EXPOSURE_DRIFT: drifts(findings.exposure_ratios[taken.step]),
        DRIFT: repeats and findings.repeat_drifts,
        BACKLASH: recipe.steps[taken.step] == recipe.positions[0] and not recipe.overshoot_fits,
        SAME_FOCUS: findings.same_focus,
    }
    return (*taken.flags, *(flag for flag, holds in found.items() if holds))
