"""`defocus_training pool`: procedural stacks for training, made ahead and kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from rich.progress import track

from defocus_depth.errors import ConfigError
from defocus_training.data.pool import Making, fill_pool, load_photos
from defocus_training.data.procedural import ProceduralOptions
from defocus_training.data.stack_engine import stack_engine


@dataclass(frozen=True)
class Options:
    """Fill a pool of procedural focal stacks; shards that exist are kept."""

    out: tyro.conf.Positional[Path]
    """Folder of the pool."""
    shards: int = 64
    """Number of shards to make."""
    stacks_per_shard: int = 64
    """Stacks in a shard; the same in all processes that fill one pool, because seeds are counted by it."""
    first: int = 0
    """Index of the first shard; together with the position in the shard it is the seed."""
    every: int = 1
    """Distance between the indices of shards made: lets several processes share the work."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where rays are traced, layers blurred and the teacher's costs computed; auto: on CUDA where it is."""
    photos: Path | None = None
    """Folder of pictures to use as textures beside the generated ones."""
    procedural: ProceduralOptions = ProceduralOptions()


def run(options: Options) -> int:
    """Fill the pool, with a progress bar."""
    for name in ("shards", "stacks_per_shard", "every"):
        if (value := getattr(options, name)) < 1:
            raise ConfigError(f"--{name.replace('_', '-')}: expected ≥ 1, got {value}")
    if options.first < 0:
        raise ConfigError(f"--first: expected ≥ 0, got {options.first}")
    shards = range(options.first, options.first + options.shards * options.every, options.every)
    photos = load_photos(options.photos)
    making = Making(options.stacks_per_shard, stack_engine(options.device))
    made = fill_pool(options.out, shards, options.procedural, photos, making)
    for _ in track(made, "shards", total=len(shards)):
        pass
    return 0
