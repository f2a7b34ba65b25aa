"""What is evaluated: samples (image, lens, focus, true depth), and the reader that takes them from focal stacks.

Everything after the reader knows `Sample` only, so that other sources (bags) share it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ConfigError, StackError
from ..optics import blur_gain_px_per_dpt, coc_from_inverse_depth, focus_dpt
from ..stacks import find_stacks, load_frame_truth, load_image, read_stack
from ..types import FloatArray, FocalStack, ImageArray, LensParameters, Transfer
from .metrics import DepthMaps, is_depth

FUSED = "fused"


@dataclass(frozen=True)
class StackFrame:
    """Where in a stack a sample comes from, for methods that look at the other frames too."""

    stack: FocalStack
    index: int


@dataclass(frozen=True)
class Sample:
    """One image with everything that is known about it.

    Attributes:
        name: unique in its data set.
        group: what it is reported under (the stack's name).
        image: RGB (H, W, 3) or mono (H, W), uint8 or uint16.
        focus_distance_m: > 0, inf allowed.
        truth_depth_m: float32 (H, W), NaN where unknown, in this image's pixels.
        origin: None where the sample is no frame of a focal stack.
        near_focus_m: the nearest focus distance of its stack, or the lens's usual one; None where unknown.
        stamp_ns: when the image was taken; None where the source says nothing.
    """

    name: str
    group: str
    image: ImageArray
    lens: LensParameters
    focus_distance_m: float
    truth_depth_m: FloatArray
    transfer: Transfer = "srgb"
    origin: StackFrame | None = None
    stamp_ns: int | None = None
    near_focus_m: float | None = None

    @property
    def focus_dpt(self) -> float:
        """Focus F, 1/m from the entrance pupil."""
        return focus_dpt(self.focus_distance_m, self.lens)

    @property
    def blur_gain_px_per_dpt(self) -> float:
        """Blur gain G of this image."""
        return blur_gain_px_per_dpt(self.lens, self.focus_dpt, self.image.shape[1])

    def coc_px(self, depth_m: FloatArray) -> FloatArray:
        """Signed CoC diameter (px of this image) of depths; NaN where there is no depth."""
        known = is_depth(depth_m)
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse_depth = np.where(known, np.reciprocal(depth_m), np.float32(np.nan))
        coc_px = coc_from_inverse_depth(inverse_depth, self.blur_gain_px_per_dpt, self.focus_dpt)
        return np.asarray(coc_px, np.float32)

    @property
    def truth(self) -> DepthMaps:
        """True depth and the CoC that follows from it."""
        return DepthMaps(self.truth_depth_m, self.coc_px(self.truth_depth_m))


class StackSamples:
    """The chosen frames of all stacks of a data set, read anew at every iteration.

    Args:
        dataset: a folder of focal stacks, or one stack.
        frames: `first` (nearest focus), `reference`, `all`, an index into every stack's frames, or `fused`: one sample
            per stack, in the pixels of its first frame, for methods that look at all frames.

    Raises:
        StackError: a stack breaks the schema, has no metric focus distances or no ground truth.
        ConfigError: no stacks there, or a choice of frames that some stack does not have.
    """

    def __init__(self, dataset: Path, frames: str = "first") -> None:
        self.frames = frames
        self._stacks = [_usable(read_stack(path)) for path in find_stacks(Path(os.path.abspath(dataset)))]
        if not self._stacks:
            raise ConfigError(f"{dataset}: expected a folder of focal stacks (*/stack.json), got one without any")
        self._chosen = [(stack, index) for stack in self._stacks for index in frame_indices(stack, frames)]

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[Sample]:
        return (_sample(stack, index) for stack, index in self._chosen)

    def truths_m(self) -> Iterator[FloatArray]:
        """The true depth of every sample, without its image."""
        return (_truth_m(stack, index) for stack, index in self._chosen)


def frame_indices(stack: FocalStack, frames: str) -> list[int]:
    """The frames of `stack` that the choice `first`, `fused`, `reference`, `all` or an index names.

    Raises:
        ConfigError: none of these, or an index the stack does not have.
    """
    count = len(stack.frames)
    named = {"first": [0], FUSED: [0], "reference": [stack.reference_frame], "all": list(range(count))}
    if frames in named:
        return named[frames]
    if not frames.isascii() or not frames.isdigit():
        raise ConfigError(f"frames: expected first, reference, all, fused or an index, got {frames!r}")
    if int(frames) >= count:
        raise ConfigError(f"frames: expected an index below {count} ({stack.path}), got {frames}")
    return [int(frames)]


def _usable(stack: FocalStack) -> FocalStack:
    if not stack.metric:
        raise StackError(f"{stack.path / 'stack.json'}: metric: expected true (known focus distances), got false")
    if stack.ground_truth_depth is None:
        raise StackError(f"{stack.path / 'stack.json'}: ground_truth.depth: expected a depth file, got nothing")
    return stack


def _sample(stack: FocalStack, index: int) -> Sample:
    assert stack.lens is not None  # guaranteed for metric stacks by read_stack
    frame = stack.frames[index]
    return Sample(
        name=f"{stack.name}/{Path(frame.file).stem}",
        group=stack.name,
        image=load_image(stack, index),
        lens=stack.lens,
        focus_distance_m=frame.focus_distance_m,
        truth_depth_m=_truth_m(stack, index),
        transfer=stack.transfer,
        origin=StackFrame(stack, index),
        stamp_ns=frame.stamp_ns,
        near_focus_m=stack.near_focus_m,
    )


def _truth_m(stack: FocalStack, index: int) -> FloatArray:
    truth_m = load_frame_truth(stack, index)
    assert truth_m is not None  # checked by _usable
    return truth_m
