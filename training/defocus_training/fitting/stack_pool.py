"""Training pools from fitted stacks: refining on a user's own camera needs their frames and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from defocus_depth.errors import ConfigError
from defocus_depth.optics import from_linear
from defocus_depth.types import FloatArray

from ..data.pool import Shard, write_shard
from .judge import Fit

CROP_PX = 176
HELD_OUT_EVERY = 4
"""Of so many stacks one is held out; of fewer, a strip of each."""
LEAST_STRIP_PX, _STRIPS_PER_SIDE = 64, 3
_Windows: TypeAlias = "list[tuple[slice, slice]]"
_FARTHEST_PX, _FARTHEST_PERCENTILE = 0.5, 1.0  # where nothing tells how far infinity is
_STD_PER_SCALE = np.float32(np.sqrt(2))  # of a Laplace distribution


@dataclass(frozen=True)
class PixelUnits:
    """A fit in px of blur, the unit of the networks: u = gain·(inverse depth) + offset, φ likewise."""

    gain_px_per_dpt: float
    offset_px: float

    def of(self, inverse_depth: npt.NDArray[np.floating]) -> FloatArray:
        """Px of blur of an inverse depth or focus, dpt or in the focus coordinate."""
        return np.asarray(inverse_depth * self.gain_px_per_dpt + self.offset_px, np.float32)

    def back(self, u_px: FloatArray) -> FloatArray:
        """Inverse of `of`."""
        return np.asarray((u_px - self.offset_px) / self.gain_px_per_dpt, np.float32)


def pixel_units(fit: Fit) -> PixelUnits:
    """Units of a fit. Without metres the offset is unknown: the farthest surface is taken to be near infinity."""
    gain = float(fit.gain_px_per_dpt.mean())
    if fit.stack.metric:
        return PixelUnits(gain, 0.0)
    return PixelUnits(gain, _FARTHEST_PX - gain * float(np.percentile(fit.inverse_depth, _FARTHEST_PERCENTILE)))


def fitted_frames(fit: Fit) -> list[int]:
    """Indices of the frames that were fitted, nearest focus first; repetitions of one (drift checks) only once."""
    left_out = {one.frame for one in fit.held_out}
    frames = enumerate(fit.stack.frames)
    return [index for index, frame in frames if index not in left_out and frame.repeat_of is None]


def divided(fits: Iterable[Fit], count: int) -> tuple[list[Shard], list[Shard]]:
    """Shards of `count` fits for validation, and for training, which sees no pixel of them.

    Raises:
        ConfigError: a fit is smaller than a crop, or than a crop beside a strip where strips are held out.
    """
    held_out: list[Shard] = []
    training: list[Shard] = []
    for index, fit in enumerate(fits):
        if count < HELD_OUT_EVERY:
            strip, rest = _strip_and_rest(fit)
            held_out.append(_shard(fit, strip))
            training.append(_shard(fit, rest))
        else:
            (training if (index + 1) % HELD_OUT_EVERY else held_out).append(stack_shard(fit))
    return held_out, training


def stack_shard(fit: Fit) -> Shard:
    """Overlapping square crops of the fitted frames with the fit's depth as the teacher's; no truth.

    Raises:
        ConfigError: the fit is smaller than a crop.
    """
    height, width = fit.inverse_depth.shape
    if min(height, width) < CROP_PX:
        raise ConfigError(
            f"{fit.stack.path}: expected at least {CROP_PX}x{CROP_PX} px at working size, got {width}x{height}"
        )
    return _shard(fit, _windows(range(height), range(width), CROP_PX))


def _shard(fit: Fit, windows: _Windows) -> Shard:
    units, kept = pixel_units(fit), fitted_frames(fit)
    encoded = from_linear(np.clip(fit.frames[kept], 0, 1), "srgb")
    frames = np.rint(np.clip(encoded, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0, 3)
    maps = (units.of(fit.inverse_depth), fit.scale * np.float32(units.gain_px_per_dpt) * _STD_PER_SCALE)
    teacher, deviation = (np.stack([values[at] for at in windows]).astype(np.float16) for values in maps)
    return Shard(
        frames=np.stack([frames[at].transpose(2, 0, 1, 3) for at in windows]),
        focus_px=np.repeat(units.of(fit.focus_dpt[kept])[None], len(windows), 0),
        teacher_px=teacher,
        teacher_deviation_px=deviation,
        truth_px=np.full_like(teacher, np.nan),
        standing=np.ones(len(windows), np.bool_),  # pictures of the world
    )


def write_stack_pool(folder: Path, held_out: list[Shard], training: list[Shard]) -> None:
    """Write a pool: first the shards for validation (`held_out_shards` of the training configuration).

    Raises:
        ConfigError: the folder holds a pool already, or cannot be written.
    """
    require_no_pool(folder)
    for index, shard in enumerate(held_out + training):
        write_shard(folder / f"shard-{index:06d}.npz", shard)


def require_no_pool(folder: Path) -> None:
    """Refuse a folder that a new pool cannot have for itself.

    Raises:
        ConfigError: the folder holds a pool already.
    """
    if any(folder.glob("shard-*.npz")):
        raise ConfigError(f"{folder}: expected a folder without shards, got one that holds a pool")


def _strip_and_rest(fit: Fit) -> tuple[_Windows, _Windows]:
    """Windows in a strip at the end of the picture's longer side, as wide as the strip, and crops of the rest."""
    height, width = fit.inverse_depth.shape
    longer = max(height, width)
    strip = min(longer // _STRIPS_PER_SIDE, longer - CROP_PX, CROP_PX)
    if min(height, width) < CROP_PX or strip < LEAST_STRIP_PX:
        raise ConfigError(
            f"{fit.stack.path}: expected at least {CROP_PX + LEAST_STRIP_PX}x{CROP_PX} px at working size, as a strip "
            f"of each picture is held out of fewer than {HELD_OUT_EVERY} stacks, got {width}x{height}"
        )
    if width >= height:
        rows, kept, left_out = range(height), range(width - strip), range(width - strip, width)
        return _windows(rows, left_out, strip), _windows(rows, kept, CROP_PX)
    columns, kept, left_out = range(width), range(height - strip), range(height - strip, height)
    return _windows(left_out, columns, strip), _windows(kept, columns, CROP_PX)


def _windows(rows: range, columns: range, side_px: int) -> _Windows:
    tops, lefts = (_starts(places, side_px) for places in (rows, columns))
    return [(slice(top, top + side_px), slice(left, left + side_px)) for top in tops for left in lefts]


def _starts(places: range, side_px: int) -> list[int]:
    count = int(np.ceil((len(places) - side_px) / (side_px / 2))) + 1
    return [int(start) for start in np.linspace(places.start, places.stop - side_px, count)]
