"""A focal stack as a fit reads it: linear radiance, focus and blur gain of every frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from defocus_depth.errors import StackError
from defocus_depth.optics import blur_gain_px_per_dpt, focus_distances_dpt, to_linear
from defocus_depth.stacks import load_image, read_stack
from defocus_depth.types import FloatArray, FocalStack

from .views import FloatVector

FEWEST_FRAMES = 2
FOCUS_DIGITS = 6
"""Decimals of the focus (dpt, or the coordinate) to which two foci are the same."""


@dataclass(frozen=True)
class Capture:
    """The pixels and optics of a stack, nearest focus first.

    Attributes:
        frames: linear radiance per unit of exposure, float32 (F, H, W, 3), each in its own pixels.
        saturated: radiance at and above which a frame's pixel only says "at least", (F,).
        focus_dpt: focus (F,); the focus coordinate where the stack is not metric, a repetition's that of its original.
        gain_px_per_dpt: blur gain (F,) for these pixels; None where the stack is not metric.
        reduction: these pixels are this many of the camera's wide and high.
    """

    stack: FocalStack
    frames: FloatArray
    saturated: FloatVector
    focus_dpt: FloatVector
    gain_px_per_dpt: FloatVector | None
    reduction: int = 1


def read_capture(path: Path) -> Capture:
    """The stack in folder `path`.

    Raises:
        StackError: there are too few frames or foci, or there is no lens.
        StackError, ImageError, OpticsError: as `stacks.read_stack` and `load_image`.
    """
    stack = read_stack(path)
    if len(stack.frames) < FEWEST_FRAMES:
        raise StackError(f"{path}: frames: expected at least {FEWEST_FRAMES} to fit, got {len(stack.frames)}")
    focus, gain = _optics(stack)
    if len(set(focus.round(FOCUS_DIGITS))) < FEWEST_FRAMES:
        raise StackError(f"{path}: frames: expected at least {FEWEST_FRAMES} different foci to fit, got one")
    exposure = _relative_exposure(stack)
    frames = np.stack([_radiance(stack, index) / exposure[index] for index in range(len(stack.frames))])
    return Capture(stack, frames.astype(np.float32), 1 / exposure, focus, gain)


def reduced(capture: Capture, factor: int) -> Capture:
    """The same pictures `factor` times smaller, averaged."""
    if factor == 1:
        return capture
    height, width = (size // factor for size in capture.frames.shape[1:3])
    cropped = capture.frames[:, : height * factor, : width * factor]
    frames = np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in cropped])
    gain = None if capture.gain_px_per_dpt is None else capture.gain_px_per_dpt / factor
    return replace(capture, frames=frames, gain_px_per_dpt=gain, reduction=capture.reduction * factor)


def _radiance(stack: FocalStack, index: int) -> FloatArray:
    image = load_image(stack, index)
    encoded = image.astype(np.float32) / np.iinfo(image.dtype).max
    colour = encoded if encoded.ndim == 3 else np.repeat(encoded[..., None], 3, 2)
    return to_linear(colour, stack.transfer).astype(np.float32)


def _relative_exposure(stack: FocalStack) -> FloatVector:
    """Exposure time × gain of each frame over the reference frame's; 1 where the stack does not say."""
    amounts = [(frame.exposure_s or np.nan) * (frame.gain or 1.0) for frame in stack.frames]
    relative = np.array(amounts) / amounts[stack.reference_frame]
    return np.where(np.isfinite(relative), relative, 1.0)


def _optics(stack: FocalStack) -> tuple[FloatVector, FloatVector | None]:
    if not stack.metric:
        originals = [frame if frame.repeat_of is None else stack.frames[frame.repeat_of] for frame in stack.frames]
        return np.array([frame.focus_coordinate for frame in originals], np.float64), None
    if stack.lens is None:
        raise StackError(f"{stack.path}: lens: expected one, as the stack's focus distances are metric; got none")
    focus = focus_distances_dpt([frame.focus_distance_m for frame in stack.frames], stack.lens)
    gains = [blur_gain_px_per_dpt(stack.lens, float(dpt), stack.camera.width) for dpt in focus]
    return focus, np.array(gains)
