"""`defocus_training pool`: which shards it makes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from defocus_depth.errors import ConfigError
from defocus_training.commands import pool


def test_makes_as_many_shards_as_asked_from_the_first_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[range] = []

    def fill_pool(folder: Path, shards: range, *_: object) -> Iterator[Path]:
        asked.append(shards)
        return iter(folder / str(index) for index in shards)

    monkeypatch.setattr(pool, "fill_pool", fill_pool)
    pool.run(pool.Options(tmp_path, shards=3, first=5))
    pool.run(pool.Options(tmp_path, shards=3, first=5, every=2))
    assert [list(shards) for shards in asked] == [[5, 6, 7], [5, 7, 9]]


@pytest.mark.parametrize("name", ["shards", "stacks_per_shard", "every", "first"])
def test_counts_that_make_nothing_are_refused_by_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"--{name.replace('_', '-')}: expected ≥ [01], got -1"):
        pool.run(replace(pool.Options(tmp_path / "pool"), **{name: -1}))
    assert not (tmp_path / "pool").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stacks on cuda: expected a CUDA device"):
        pool.run(pool.Options(tmp_path / "pool", shards=1, device="cuda"))
    assert not (tmp_path / "pool").exists()
