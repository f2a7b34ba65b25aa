"""Training pools from fitted stacks: refining on a user's own camera needs their frames and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from defocus_depth.errors import ConfigError
from defocus_depth.optics import from_linear
from defocus_depth.types import FloatArray

from ..data.pool import Shard, write_shard
from .judge import Fit

CROP_PX = 176
_VALIDATION_EVERY = 4
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


def stack_shard(fit: Fit) -> Shard:
    """Overlapping square crops of the fitted frames with the fit's depth as the teacher's; no truth.

    Raises:
        ConfigError: the fit is smaller than a crop.
    """
    units, kept = pixel_units(fit), fitted_frames(fit)
    encoded = from_linear(np.clip(fit.frames[kept], 0, 1), "srgb")
    frames = np.rint(np.clip(encoded, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0, 3)
    windows = _windows(fit)
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


def write_stack_pool(folder: Path, shards: list[Shard]) -> int:
    """Write the shards of stacks as a pool: first one per stack for validation, then one per stack for training.

    Returns how many are for validation (`held_out_shards` of the training configuration).

    Raises:
        ConfigError: the folder holds a pool already, or cannot be written.
    """
    if any(folder.glob("shard-*.npz")):
        raise ConfigError(f"{folder}: expected a folder without shards, got one that holds a pool")
    validation = [_stacks(shard, slice(None, None, _VALIDATION_EVERY)) for shard in shards]
    training = [_stacks(shard, np.arange(len(shard.frames)) % _VALIDATION_EVERY > 0) for shard in shards]
    try:
        for index, shard in enumerate(validation + training):
            write_shard(folder / f"shard-{index:06d}.npz", shard)
    except OSError as error:
        raise ConfigError(f"{folder}: expected a writable folder, got {error}") from error
    return len(validation)


def _windows(fit: Fit) -> list[tuple[slice, slice]]:
    height, width = fit.inverse_depth.shape
    if min(height, width) < CROP_PX or (height, width) == (CROP_PX, CROP_PX):
        raise ConfigError(
            f"{fit.stack.path}: expected more than {CROP_PX}x{CROP_PX} px at working size, got {width}x{height}"
        )
    tops, lefts = (_starts(size) for size in (height, width))
    return [(slice(top, top + CROP_PX), slice(left, left + CROP_PX)) for top in tops for left in lefts]


def _starts(size: int) -> list[int]:
    count = int(np.ceil((size - CROP_PX) / (CROP_PX / 2))) + 1
    return [int(start) for start in np.linspace(0, size - CROP_PX, count)]


def _stacks(shard: Shard, chosen: slice | np.ndarray) -> Shard:
    return Shard(**{name: values[chosen] for name, values in vars(shard).items()})
