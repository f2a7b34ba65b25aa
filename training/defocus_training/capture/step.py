"""One focus step: move the lens, let it settle, take pictures of something that stands still, average them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from defocus_depth.errors import DeviceError
from defocus_depth.types import FloatArray, ImageArray, Transfer

from .alignment import moved_px
from .devices import CapturedImage, CaptureRig
from .measures import encoded_pixels, linear_pixels, sharpness, small_luminance

MOTION, POSITION = "motion", "position"
_BLOCK_PX = 16
_OFF_STEPS = 1.5  # of the actuator's grid: what is farther off is elsewhere
_MOST_BUFFERED = 32  # pictures in a camera's queue


@dataclass(frozen=True)
class StepOptions:
    """How the pictures of one focus step are taken."""

    frames_per_step: int = 4
    """Pictures averaged for each focus step; more than one are stored with 16 bits."""
    discard_frames: int = 2
    """Pictures thrown away after each move, beside those that were taken before it ended."""
    overshoot: float = 0.05
    """How far beyond the near end a sweep starts, in shares of the focus range: more than the play of the gears."""
    settle_s: float = 0.0
    """Time to wait after each move (s); 0: what the driver says."""
    readback_timeout_s: float = 2.0
    """Longest wait (s) until the device says that it has arrived."""
    motion_retries: int = 2
    """How often a step is repeated when something moved; then it is flagged."""
    motion_px: float = 0.3
    """Shift between the pictures of one step (px of a picture about 320 px wide) that counts as motion."""
    motion_contrast: float = 0.05
    """Change of brightness of a part of the picture, relative to its mean, that counts as motion."""


@dataclass(frozen=True)
class StepPicture:
    """What a step yields.

    Attributes:
        pixels: mean of the pictures, as the camera's for a single one, else uint16.
        position: where the device said that it was, or where it was sent.
        stamp_ns: of the last picture.
        sharpness: Tenengrad of the mean.
    """

    pixels: ImageArray
    position: float
    stamp_ns: int
    sharpness: float
    exposure_s: float | None = None
    gain: float | None = None
    flags: tuple[str, ...] = ()


def take_step(rig: CaptureRig, position: float, options: StepOptions, transfer: Transfer) -> StepPicture:
    """Move to `position` and take the step's pictures.

    Raises:
        DeviceError: actuator or camera do not do what they are asked, or are gone.
    """
    reached, flags = move(rig, position, options)
    _discard(rig, options)
    images, still = _still_images(rig, options, transfer)
    if not still:
        flags = (*flags, MOTION)
    now = rig.actuator.read_position()
    if now is not None and abs(now - reached) > _OFF_STEPS * rig.actuator.range.step and POSITION not in flags:
        flags = (*flags, POSITION)  # autofocus or another program moved it under the pictures
    return _averaged(images, reached, flags, transfer)


def _discard(rig: CaptureRig, options: StepOptions) -> None:
    """Throw away what the camera took before the lens rested, and some more."""
    settled_s = rig.clock.now_s()
    for _ in range(_MOST_BUFFERED):
        if rig.camera.next_image().taken_s >= settled_s:
            break
    for _ in range(options.discard_frames - 1):
        rig.camera.next_image()


def move(rig: CaptureRig, position: float, options: StepOptions) -> tuple[float, tuple[str, ...]]:
    """Move the lens and wait until it rests: the position it says it reached, and flags.

    Raises:
        DeviceError: the device is gone, or never arrives anywhere near.
    """
    rig.on_lens(True, position)
    rig.actuator.set_position(position)
    rig.clock.sleep(options.settle_s or rig.actuator.settle_s)
    reached = _read_back(rig, position, options)
    rig.on_lens(False, reached)
    off_grid = abs(reached - position) > _OFF_STEPS * rig.actuator.range.step
    return reached, ((POSITION,) if off_grid else ())


def _read_back(rig: CaptureRig, position: float, options: StepOptions) -> float:
    """Where the device says it is: waits until that is the position, or stays the same close to it."""
    tolerance = max(_OFF_STEPS * rig.actuator.range.step, 0.02 * rig.actuator.range.span)
    deadline_s, before = rig.clock.now_s() + options.readback_timeout_s, math.nan
    while (reached := rig.actuator.read_position()) is not None:
        near = abs(reached - position) <= tolerance
        if reached == position or (near and reached == before):
            return reached
        if rig.clock.now_s() > deadline_s:
            raise DeviceError(
                f"focus actuator: expected position {position:g} within {options.readback_timeout_s:g} s, "
                f"got {reached:g}"
            )
        before = reached
        rig.clock.sleep(max(0.02, 0.5 * rig.actuator.settle_s))
    return position


def _still_images(rig: CaptureRig, options: StepOptions, transfer: Transfer) -> tuple[list[CapturedImage], bool]:
    """The step's pictures, and whether nothing moved while they were taken."""
    watched = max(2, options.frames_per_step)
    images: list[CapturedImage] = []
    for _ in range(1 + options.motion_retries):
        images = [rig.camera.next_image() for _ in range(watched)]
        first, last = (small_luminance(linear_pixels(image.pixels, transfer)) for image in (images[0], images[-1]))
        if not moves_between(first, last, options):
            return images[: options.frames_per_step], True
    return images[: options.frames_per_step], False


def moves_between(first: FloatArray, second: FloatArray, options: StepOptions) -> bool:
    """Whether the view shifts between two pictures of equal focus, or part of it changes."""
    if moved_px(first, second) > options.motion_px:
        return True
    size = tuple(max(1, side // _BLOCK_PX) for side in first.shape[::-1])
    before, after = (cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (first, second))
    change = np.abs(after / max(1e-9, float(after.mean())) - before / max(1e-9, float(before.mean())))
    return bool(change.max() > options.motion_contrast)


def _averaged(
    images: Sequence[CapturedImage], position: float, flags: tuple[str, ...], transfer: Transfer
) -> StepPicture:
    """Mean in linear light; a single picture stays as it came."""
    last = images[-1]
    linear = [linear_pixels(image.pixels, transfer) for image in images]
    radiance = np.asarray(np.mean(linear, axis=0, dtype=np.float32))
    pixels = last.pixels if len(images) == 1 else encoded_pixels(radiance, transfer, np.uint16)
    return StepPicture(
        pixels,
        position,
        last.stamp_ns,
        sharpness(small_luminance(radiance)),
        last.exposure_s,
        last.gain,
        flags,
    )
