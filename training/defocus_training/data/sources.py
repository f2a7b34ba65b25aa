"""Where training's stacks come from: a pool on disk, or stacks made while training runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from .pool import Shard, load_photos, make_shard, read_shard, split_shards
from .procedural import ProceduralOptions
from .ranges import Count
from .stack_engine import stack_engine

DRAWS_PER_LOOK = 2000
STREAM_SEEDS = 2**31
HELD_OUT_SEED = 2**40  # far beyond the seeds of any pool and of the stream
Rng = np.random.Generator


class ShardSource(Protocol):
    """Gives shards of stacks to draw crops from."""

    def random_shard(self, rng: Rng) -> Shard:
        """Any shard for training."""
        ...

    def held_out(self) -> Sequence[Shard]:
        """The shards that validation sees and training never does."""
        ...


class PoolSource:
    """The shards of a pool; the first `held_out_shards` are held out.

    Shards that appear while training runs are taken in.
    """

    def __init__(self, folder: Path, held_out_shards: int) -> None:
        self.folder, self.held_out_shards = folder, held_out_shards
        self._shards: dict[Path, Shard] = {}
        self._drawn = 0

    def random_shard(self, rng: Rng) -> Shard:
        """Any shard that is not held out; now and then new ones are looked for.

        Raises:
            ConfigError: the pool has none.
        """
        if self._drawn % DRAWS_PER_LOOK == 0:
            self._take_new_shards()
        self._drawn += 1
        return self._shards[list(self._shards)[rng.integers(len(self._shards))]]

    def held_out(self) -> list[Shard]:
        """The pool's first shards.

        Raises:
            ConfigError: the pool has no others, so that nothing would be left to train on.
        """
        held_out, _ = split_shards(self.folder, self.held_out_shards)
        return [read_shard(path) for path in held_out]

    def _take_new_shards(self) -> None:
        _, trained_on = split_shards(self.folder, self.held_out_shards)
        self._shards.update((path, read_shard(path)) for path in trained_on if path not in self._shards)


@dataclass(frozen=True)
class StreamOptions:
    """Stacks that are made while training runs, instead of a pool (`pool: null`)."""

    procedural: ProceduralOptions = ProceduralOptions()
    photos: Path | None = None
    """Folder of pictures to use as textures beside the generated ones."""
    stacks: Count = 48
    """Stacks kept by each data process; a new one replaces the oldest."""
    draws_per_stack: Count = 24
    """Crops drawn, from any of the stacks kept, for each stack that is made."""
    held_out_stacks: Count = 24
    """Stacks for validation, made at the start; always the same."""


class StreamSource:
    """New procedural stacks all the time, made on the GPU where this process may use one."""

    def __init__(self, options: StreamOptions) -> None:
        self.options = options
        self._photos = load_photos(options.photos)
        self._stacks: deque[Shard] = deque(maxlen=options.stacks)
        self._drawn = 0

    def random_shard(self, rng: Rng) -> Shard:
        """One of the newest stacks, as a shard of its own."""
        if self._drawn % self.options.draws_per_stack == 0:
            self._stacks.append(self._make([int(rng.integers(STREAM_SEEDS))]))
        self._drawn += 1
        return self._stacks[int(rng.integers(len(self._stacks)))]

    def held_out(self) -> list[Shard]:
        """One shard of stacks that depend on nothing but the options."""
        return [self._make(range(HELD_OUT_SEED, HELD_OUT_SEED + self.options.held_out_stacks))]

    def _make(self, seeds: Sequence[int]) -> Shard:
        return make_shard(seeds, self.options.procedural, self._photos, stack_engine())
