"""A pool's stacks in a device's memory, from which crops are cut without the host."""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from defocus_depth.errors import ConfigError

from .crops import Supervision, nearest_taught_px, outside_frames, usable_frames
from .pool import Shard, read_shard, shard_paths, split_shards

_Fields: TypeAlias = "dict[str, Tensor]"
STACKS_AHEAD, LEAST_AHEAD = 96, 2
"""So many stacks, and so many shards, are read ahead and taken in by one look: training waits while they are copied to
the device."""
READERS = 4
"""Threads that read shards meanwhile."""


class StackBank:
    """Up to `capacity` stacks of a pool; further ones replace the oldest. Its first shards are held out.

    `supervision: self` does not even copy the exact depth.
    """

    frames: UInt8[Tensor, "s k 3 n n"]
    focus_px: Float[Tensor, "s k"]
    deviation_px: Float[Tensor, "s n n"]
    teacher_px: Float[Tensor, "s n n"]
    truth_px: Float[Tensor, "s n n"]
    nearest_px: Float[Tensor, " s"]
    standing: Bool[Tensor, " s"]
    outside: Bool[Tensor, "s k"]
    usable: Int64[Tensor, "s k"]
    usable_count: Int64[Tensor, " s"]

    def __init__(
        self, folder: Path, held_out_shards: int, supervision: Supervision, capacity: int, device: torch.device
    ) -> None:
        self.count = 0
        self._folder, self._held_out, self._supervision = folder, held_out_shards, supervision
        self._capacity, self._device = capacity, device
        self._seen: set[Path] = set()
        self._readers = ThreadPoolExecutor(READERS)
        self._coming: deque[tuple[Path, Future[_Fields]]] = deque()
        self._next = 0
        _, shards = split_shards(folder, held_out_shards)
        stacks = len(read_shard(shards[0]).focus_px)
        self._most_ahead = max(LEAST_AHEAD, STACKS_AHEAD // stacks)
        self._seen.update(shards[: -math.ceil(capacity / stacks)])  # newer ones would replace them
        while self.take_new_shards(wait=True):
            pass

    @property
    def target_px(self) -> Float[Tensor, "s n n"]:
        """The teacher's u, or under `supervision: truth` the exact one."""
        return self.truth_px if self._supervision == "truth" else self.teacher_px

    def take_new_shards(self, wait: bool = False) -> int:
        """Copy those of the shards that appeared since which have been read meanwhile, in their order; how many.

        `wait`: until they are read.
        """
        if wait:
            self._read_ahead()
        taken = 0
        while self._coming and (wait or self._coming[0][1].done()):
            path, fields = self._coming.popleft()
            self._take(fields.result(), path)
            taken += 1
        self._read_ahead()
        return taken

    def _read_ahead(self) -> None:
        new = [path for path in shard_paths(self._folder)[self._held_out :] if path not in self._seen]
        new = new[: self._most_ahead - len(self._coming)]
        self._seen.update(new)
        self._coming.extend((path, self._readers.submit(self._read, path)) for path in new)

    def _take(self, fields: _Fields, path: Path) -> None:
        if not self.count:
            for name, values in fields.items():
                setattr(self, name, values.new_empty((self._capacity, *values.shape[1:]), device=self._device))
        if fields["frames"].shape[1:] != self.frames.shape[1:]:
            raise ConfigError(
                f"{path}: expected stacks (frames, channels, height, width) {tuple(self.frames.shape[1:])} "
                f"as in the pool's other shards, got {tuple(fields['frames'].shape[1:])}; "
                "crops_on=workers takes such pools"
            )
        size = len(fields["focus_px"])
        places = (torch.arange(self._next, self._next + size) % self._capacity).to(self._device)
        for name, values in fields.items():
            getattr(self, name)[places] = values.to(self._device)
        self._next = (self._next + size) % self._capacity
        self.count = min(self._capacity, self.count + size)

    def _read(self, path: Path) -> _Fields:
        """A shard as the bank keeps it, still in the host's memory; runs in a reader's thread."""
        shard = read_shard(path)
        usable, counts = _usable_table(shard)
        teacher = _copied(shard.teacher_px)
        exact = self._supervision == "truth"
        truth = {"truth_px": _copied(shard.truth_px)} if exact else {}
        return truth | {
            "frames": _copied(shard.frames).permute(0, 1, 4, 2, 3).contiguous(),
            "focus_px": _copied(shard.focus_px),
            "teacher_px": teacher,
            "deviation_px": torch.zeros_like(teacher) if exact else _copied(shard.teacher_deviation_px),
            "nearest_px": torch.tensor([nearest_taught_px(shard, stack) for stack in range(len(usable))]),
            "standing": _copied(shard.standing),
            "outside": _copied(np.stack([outside_frames(shard, stack) for stack in range(len(usable))])),
            "usable": usable,
            "usable_count": counts,
        }


def _copied(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(values))  # a mapped file is read-only: torch wants its own


def _usable_table(shard: Shard) -> tuple[Int64[Tensor, "s k"], Int64[Tensor, " s"]]:
    """Each stack's usable frames, the rest of its row filled with zeros, and how many they are."""
    stacks, frames = shard.focus_px.shape
    table, counts = torch.zeros(stacks, frames, dtype=torch.long), torch.zeros(stacks, dtype=torch.long)
    for index in range(stacks):
        usable = usable_frames(shard, index)
        table[index, : len(usable)], counts[index] = torch.tensor(usable), len(usable)
    return table, counts
