"""A pool of procedural stacks on disk: made once, in shards, then read by every training run.

Rendering costs more than a training step on a small machine, so stacks are kept and crops of them augmented anew.
A shard is one uncompressed `.npz`; a training run takes new shards in as they appear, so filling and training overlap.
"""

from __future__ import annotations

import os
import struct
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from defocus_depth.atomic import replacing
from defocus_depth.errors import ConfigError
from defocus_depth.optics import from_linear, to_linear

from .procedural import ProceduralOptions, ProceduralStack, generate_stack
from .simulated import simulate_stack, standing_stack
from .stack_engine import StackEngine
from .teacher import teach
from .textures import Texture

TRAINING_SEED_BASE = 10_000_000
"""Training draws seeds from here on; the simulation and every evaluation stay below it."""
SENSOR_NOISE = 0.003
ZIP_NAME_LENGTH = 26  # in a member's header: its name's length, two bytes, then the extra field's
SRGB_TO_LINEAR = to_linear(np.linspace(0, 1, 256), "srgb").astype(np.float32)


@dataclass(frozen=True)
class Shard:
    """Stacks of one shard, S of them with K frames of n×n.

    Attributes:
        frames: uint8 (S, K, n, n, 3), sRGB encoded.
        focus_px: float32 (S, K), φ = G·F.
        teacher_px, teacher_deviation_px: float16 (S, n, n), u = G/d from the frames alone, and its deviation.
        truth_px: float16 (S, n, n), exact u; only `supervision: truth` and validation read it.
        standing: bool (S,), things stand as in rooms: where they are in the picture shows the sign of their blur.
    """

    frames: npt.NDArray[np.uint8]
    focus_px: npt.NDArray[np.float32]
    teacher_px: npt.NDArray[np.float16]
    teacher_deviation_px: npt.NDArray[np.float16]
    truth_px: npt.NDArray[np.float16]
    standing: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Making:
    """How a pool's shards are made."""

    stacks_per_shard: int = 64
    engine: StackEngine = StackEngine()


def load_photos(folder: Path | None, smallest_px: int = 300) -> list[Texture]:
    """Every picture below `folder` (linear RGB float32) at least `smallest_px` wide and high.

    Raises:
        ConfigError: a folder is given that holds no such picture.
    """
    if folder is None:
        return []
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    pictures = (cv2.imread(str(path)) for path in files)
    photos = [
        to_linear(picture[..., ::-1].astype(np.float32) / 255, "srgb").astype(np.float32)
        for picture in pictures
        if picture is not None and min(picture.shape[:2]) >= smallest_px
    ]
    if not photos:
        raise ConfigError(
            f"--photos {folder}: expected pictures of at least {smallest_px} px, got {len(files)} files, none such"
        )
    return photos


def make_shard(
    seeds: Sequence[int],
    options: ProceduralOptions,
    photos: Sequence[Texture] = (),
    engine: StackEngine | None = None,
) -> Shard:
    """Generate one stack per seed, add the sensor's noise, and let the teacher look at the frames."""
    engine = engine or StackEngine()
    stacks = [_make_stack(np.random.default_rng(TRAINING_SEED_BASE + seed), options, photos, engine) for seed in seeds]
    return Shard(*(np.stack(field) for field in zip(*stacks, strict=False)))


def write_shard(path: Path, shard: Shard) -> None:
    """Write atomically, so that a reader never sees half a shard.

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        with replacing(path) as partial, partial.open("wb") as file:
            np.savez(file, **vars(shard))
    except OSError as error:
        raise ConfigError(f"{path}: expected a writable file, got {error}") from error


def read_shard(path: Path) -> Shard:
    """Inverse of `write_shard`; the arrays are mapped, not read, so that all processes share one pool in memory.

    Raises:
        ConfigError: the file cannot be read, is damaged, or lacks what shards of this version hold.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return Shard(**{name: _mapped(path, archive.getinfo(f"{name}.npy")) for name in Shard.__annotations__})
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, struct.error) as error:
        expected = "a whole shard, made by this version (delete it; the pool can be filled again)"
        raise ConfigError(f"{path}: expected {expected}, got {error}") from error


def shard_paths(folder: Path) -> list[Path]:
    """The finished shards of a pool, in the order of their seeds."""
    return sorted(folder.glob("shard-*.npz"))


def split_shards(folder: Path, held_out_shards: int) -> tuple[list[Path], list[Path]]:
    """The first shards, which are held out, and the others, which are trained on.

    Raises:
        ConfigError: there are no others.
    """
    paths = shard_paths(folder)
    if len(paths) <= held_out_shards:
        expected = f"more shards than the {held_out_shards} held out (held_out_shards)"
        raise ConfigError(f"pool {folder}: expected {expected}, got {len(paths)}")
    return paths[:held_out_shards], paths[held_out_shards:]


def fill_pool(
    folder: Path, shards: range, options: ProceduralOptions, photos: Sequence[Texture], making: Making | None = None
) -> Iterator[Path]:
    """Make the shards of `shards` that `folder` lacks; yields each path as it is done."""
    making = making or Making()
    for index in shards:
        path = folder / f"shard-{index:06d}.npz"
        if not path.exists():
            seeds = range(index * making.stacks_per_shard, (index + 1) * making.stacks_per_shard)
            write_shard(path, make_shard(seeds, options, photos, making.engine))
        yield path


def _mapped(path: Path, member: zipfile.ZipInfo) -> np.ndarray:
    """The array in a member that is stored as it is (NumPy maps no `.npz` by itself)."""
    with path.open("rb") as file:
        file.seek(member.header_offset + ZIP_NAME_LENGTH)
        file.seek(sum(struct.unpack("<HH", file.read(4))), os.SEEK_CUR)  # past the name and the extra field
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        return np.memmap(path, dtype, "r", file.tell(), shape)


def _make_stack(
    rng: np.random.Generator, options: ProceduralOptions, photos: Sequence[Texture], engine: StackEngine
) -> tuple[np.ndarray, ...]:
    stack = _random_stack(rng, options, photos, engine)
    noisy = from_linear(stack.radiance, "srgb") + rng.normal(0, SENSOR_NOISE, stack.radiance.shape)
    frames = np.clip(np.round(noisy * 255), 0, 255).astype(np.uint8)
    taught = teach(SRGB_TO_LINEAR[frames], stack.focus_px, engine.teacher)
    maps = (taught.inverse_depth_px, taught.deviation_px, stack.inverse_depth_px)
    return (frames, stack.focus_px, *(np.asarray(field, np.float16) for field in maps), np.array(stack.standing))


def _random_stack(
    rng: np.random.Generator, options: ProceduralOptions, photos: Sequence[Texture], engine: StackEngine
) -> ProceduralStack:
    draw = rng.random()
    if draw < options.simulated_share:
        return simulate_stack(rng, options, engine.trace)
    if draw < options.simulated_share + options.standing_share:
        return standing_stack(rng, options, engine.trace)
    return generate_stack(rng, options, photos, engine.render)
