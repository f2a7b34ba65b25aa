"""Sources of training stacks: pools on disk, and stacks made while training runs."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_training.data.augment import AugmentOptions
from defocus_training.data.crops import CropOptions, PairStream
from defocus_training.data.pool import make_shard, shard_paths
from defocus_training.data.procedural import ProceduralOptions
from defocus_training.data.sources import HELD_OUT_SEED, STREAM_SEEDS, PoolSource, StreamOptions, StreamSource
from defocus_training.data.stack_engine import stack_engine

TINY = StreamOptions(
    ProceduralOptions(
        size_px=72, frames=3, largest_coc_px=24.0, nearest_px=(8.0, 18.0), simulated_share=0.0, standing_share=0.0
    ),
    stacks=2,
    draws_per_stack=3,
    held_out_stacks=2,
)


def test_a_pool_keeps_its_first_shards_for_validation(pool_folder: Path) -> None:
    source = PoolSource(pool_folder, 1)
    (held_out,) = source.held_out()
    drawn = [source.random_shard(np.random.default_rng(seed)) for seed in range(12)]
    assert len({id(shard) for shard in drawn}) == 2 == len(shard_paths(pool_folder)) - 1
    assert not any(np.array_equal(shard.frames, held_out.frames) for shard in drawn)


def test_a_pool_with_too_few_shards_is_refused(pool_folder: Path) -> None:
    for held_out_shards in (3, 4):
        source = PoolSource(pool_folder, held_out_shards)
        expected = f"expected more shards than the {held_out_shards} held out .*, got 3"
        with pytest.raises(ConfigError, match=expected):
            source.random_shard(np.random.default_rng(0))
        with pytest.raises(ConfigError, match=expected):  # before data processes start: theirs come with a traceback
            source.held_out()


def test_a_stream_makes_new_stacks_and_forgets_the_oldest(monkeypatch) -> None:
    made = []
    monkeypatch.setattr(StreamSource, "_make", lambda self, seeds: made.append(seeds[0]) or len(made))
    source, rng = StreamSource(TINY), np.random.default_rng(0)
    drawn = [source.random_shard(rng) for _ in range(30)]
    assert len(made) == len(set(made)) == 10 and max(made) < STREAM_SEEDS < HELD_OUT_SEED
    assert all(shard in (1 + n // 3, n // 3) for n, shard in enumerate(drawn))
    assert len(set(drawn)) > 5


def test_streamed_stacks_depend_on_the_seed_and_validation_on_nothing() -> None:
    def first(seed):
        return StreamSource(TINY).random_shard(np.random.default_rng(seed))

    np.testing.assert_array_equal(first(1).frames, first(1).frames)
    assert not np.array_equal(first(1).frames, first(2).frames)
    one, other = StreamSource(TINY).held_out()[0], StreamSource(TINY).held_out()[0]
    np.testing.assert_array_equal(one.frames, other.frames)
    assert one.frames.shape == (2, 3, 72, 72, 3)


def test_a_streamed_stack_is_what_a_pool_would_hold() -> None:
    rng = np.random.default_rng(4)
    shard = StreamSource(TINY).random_shard(rng)
    seed = int(np.random.default_rng(4).integers(STREAM_SEEDS))
    expected = make_shard([seed], TINY.procedural, [], stack_engine())
    for name, values in vars(expected).items():
        np.testing.assert_array_equal(getattr(shard, name), values)


def test_pairs_come_from_a_stream_as_from_a_pool() -> None:
    stream = iter(PairStream(StreamSource(TINY), "self", 0, CropOptions(size_px=64), AugmentOptions()))
    pairs = [next(stream) for _ in range(4)]
    assert all(pair.image.shape == (2, 3, 64, 64) and pair.target_px.isfinite().all() for pair in pairs)


def test_photos_of_a_stream_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected pictures of at least"):
        StreamSource(dataclasses.replace(TINY, photos=tmp_path))
