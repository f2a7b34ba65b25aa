"""Focus sweeps in a recording: stretches in which the lens steps one way through focus while nothing moves.

Depth from focus and fusion need all frames of a sweep at once, so this is the one place where images are kept. Of
frames at one focus distance the first is used.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ...errors import BagError, ConfigError
from ...inference.fusion_window import same_focus
from ...optics import focus_distances_dpt
from ...types import FloatArray, ImageArray
from ..baselines import depth_from_focus
from ..baselines.pixels import luminance
from ..dataset import Sample
from ..methods import Predict, Prediction
from ..metrics import DepthMaps, is_depth
from .samples import BagSample

if TYPE_CHECKING:
    from ...inference import Estimator

MOST_SWEEP_BYTES = 384 * 2**20
MOST_SHIFT = 0.02  # of the image's width, between neighbouring frames
MOST_DEPTH_CHANGE = 0.05  # of the true depth's median, from the first frame to the last
_LEAST_RESPONSE = 0.1  # of the correlation, below which a shift says nothing
_WORKING_WIDTH_PX = 160


@dataclass(frozen=True)
class Sweep:
    """The frames of one sweep, in the order of the recording."""

    frames: tuple[BagSample, ...]


@dataclass(frozen=True)
class SweepSample(BagSample):
    """A frame of a sweep."""

    sweep: Sweep | None = None


def sweep_samples(samples: Iterable[BagSample], method: str) -> Iterator[SweepSample]:
    """The frames of the sweeps among these samples, sweep by sweep; stretches at a single focus distance are dropped.

    Args:
        method: that needs them, for messages.

    Raises:
        BagError: there is no sweep, something moves during one, or one is too long to be held.
    """
    found = 0
    for frames in _stretches(samples, method):
        if len(frames) < 2:
            continue
        _check_static(frames, method)
        sweep = Sweep(tuple(frames))
        found += 1
        for frame in frames:
            fields = {field.name: getattr(frame, field.name) for field in dataclasses.fields(BagSample)}
            yield SweepSample(**fields, sweep=sweep)
    if not found:
        raise BagError(f"{method}: expected a focus sweep (2 or more focus distances in a row), got one focus distance")


def focus_sweep_method() -> Predict:
    """Depth from focus over the sweep of a sample (`baselines.depth_from_focus`)."""

    def measure(sweep: Sweep) -> Prediction:
        first = sweep.frames[0]
        foci_dpt = focus_distances_dpt([frame.focus_distance_m for frame in sweep.frames], first.lens)
        depth_m = depth_from_focus([frame.image for frame in sweep.frames], foci_dpt, first.blur_gain_px_per_dpt)
        return Prediction(DepthMaps(depth_m, first.coc_px(depth_m)))

    return _once_per_sweep(measure)


def fused_sweep_method(estimator: Estimator) -> Predict:
    """Every frame of the sample's sweep through the network, fused (`inference.fusion`)."""

    def measure(sweep: Sweep) -> Prediction:
        from ...inference.fusion import fuse_estimates  # its compiler is loaded when it is needed

        known_m = [frame.near_focus_m for frame in sweep.frames if frame.near_focus_m is not None]
        nearest_m = min([frame.focus_distance_m for frame in sweep.frames] + known_m)
        fused = fuse_estimates(
            [
                estimator.estimate(
                    frame.image, frame.lens, frame.focus_distance_m, transfer=frame.transfer, near_focus_m=nearest_m
                )
                for frame in sweep.frames
            ]
        )
        return Prediction(DepthMaps(fused.depth_m, fused.coc_px), fused.confidence, fused.inv_depth_scale_dpt)

    return _once_per_sweep(measure)


def _once_per_sweep(measure: Callable[[Sweep], Prediction]) -> Predict:
    """What is measured on a sweep, for each of its frames with the CoC of the frame.

    Raises (from the function it returns):
        ConfigError: the sample is no frame of a sweep.
    """
    last: list[tuple[Sweep, Prediction]] = []

    def predict(sample: Sample) -> Prediction:
        sweep = getattr(sample, "sweep", None)
        if sweep is None:
            raise ConfigError(f"expected a frame of a focus sweep, got {sample.name}")
        if not last or last[0][0] is not sweep:
            last[:] = [(sweep, measure(sweep))]
        found = last[0][1]
        return dataclasses.replace(found, maps=DepthMaps(found.maps.depth_m, sample.coc_px(found.maps.depth_m)))

    return predict


def _stretches(samples: Iterable[BagSample], method: str) -> Iterator[list[BagSample]]:
    """Frames of distinct focus that follow each other in one direction, through one lens, at one size."""
    frames: list[BagSample] = []
    held = 0
    for sample in samples:
        if frames and same_focus(sample.focus_dpt, frames[-1].focus_dpt) and _alike(sample, frames[-1]):
            continue
        if frames and not _continues(sample, frames):
            yield frames
            frames, held = [], 0
        frames.append(sample)
        held += sample.image.nbytes + sample.truth_depth_m.nbytes
        if held > MOST_SWEEP_BYTES:
            raise BagError(
                f"{method}: expected focus sweeps of at most {MOST_SWEEP_BYTES >> 20} MiB, "
                f"got one of {len(frames)} frames and more that ends at {sample.name}"
            )
    if frames:
        yield frames


def _alike(one: BagSample, other: BagSample) -> bool:
    return one.group == other.group and one.image.shape == other.image.shape and one.lens == other.lens


def _continues(sample: BagSample, frames: list[BagSample]) -> bool:
    if not _alike(sample, frames[-1]):
        return False
    if len(frames) < 2:
        return True
    step = sample.focus_dpt - frames[-1].focus_dpt
    return step * (frames[-1].focus_dpt - frames[-2].focus_dpt) > 0


def _check_static(frames: list[BagSample], method: str) -> None:
    for one, other in itertools.pairwise(frames):
        shift = _shift(one.image, other.image)
        if shift > MOST_SHIFT:
            raise BagError(
                f"{method}: expected a static scene during a focus sweep, "
                f"got a shift of {100 * shift:.1f} % of the width from {one.name} to {other.name}"
            )
    first_m, last_m = frames[0].truth_depth_m, frames[-1].truth_depth_m
    known = is_depth(first_m) & is_depth(last_m)
    change = float(np.median(np.abs(last_m[known] / first_m[known] - 1))) if known.any() else 0.0
    if change > MOST_DEPTH_CHANGE:
        raise BagError(
            f"{method}: expected a static scene during a focus sweep, "
            f"got ground truth that changes by {100 * change:.1f} % from {frames[0].name} to {frames[-1].name}"
        )


def _shift(one: ImageArray, other: ImageArray) -> float:
    """How far the picture moved (of its width), as far as blurred pictures tell; 0 where they do not."""
    pictures = [_small(image) for image in (one, other)]
    height, width = pictures[0].shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    (x, y), response = cv2.phaseCorrelate(pictures[0], pictures[1], window)
    return float(np.hypot(x, y)) / width if response > _LEAST_RESPONSE else 0.0


def _small(image: ImageArray) -> FloatArray:
    grey = luminance(image)
    scale = _WORKING_WIDTH_PX / grey.shape[1]
    size = (_WORKING_WIDTH_PX, max(8, round(grey.shape[0] * scale)))
    return np.asarray(cv2.GaussianBlur(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), (0, 0), 3.0), np.float32)
