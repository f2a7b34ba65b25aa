"""Pools: what is written is read, finished shards are kept, half-written ones are not seen."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_training.data import textures
from defocus_training.data.layered_scene import SPOT_CELL_PX, _shadows_and_highlights
from defocus_training.data.pool import (
    Making,
    fill_pool,
    load_photos,
    make_shard,
    read_shard,
    shard_paths,
    write_shard,
)
from defocus_training.data.procedural import (
    LARGEST_GAP_PX,
    LARGEST_TAUGHT_COC_PX,
    SMALLEST_GAP_PX,
    ProceduralOptions,
    generate_stack,
    sample_gap_px,
)

SMALL = ProceduralOptions(size_px=64, frames=3, largest_coc_px=20.0)
WIDE = ProceduralOptions(largest_coc_px=32.0)


def test_shards_round_trip(tmp_path: Path) -> None:
    shard = make_shard([1, 2], SMALL)
    write_shard(tmp_path / "shard-000000.npz", shard)
    again = read_shard(tmp_path / "shard-000000.npz")
    for name, value in vars(shard).items():
        np.testing.assert_array_equal(getattr(again, name), value)
    assert again.frames.shape == (2, 3, 64, 64, 3)
    assert isinstance(again.frames, np.memmap)  # two processes must not hold the pool twice


def test_shards_that_cannot_be_read_or_written_are_refused_by_name(tmp_path: Path) -> None:
    shard = make_shard([1], SMALL)
    torn, older = tmp_path / "shard-000000.npz", tmp_path / "shard-000001.npz"
    write_shard(torn, shard)
    torn.write_bytes(torn.read_bytes()[:-400])
    np.savez(older, **{name: value for name, value in vars(shard).items() if name != "standing"})
    for path in (torn, older, tmp_path / "none.npz"):
        with pytest.raises(ConfigError, match=f"{path.name}: expected a whole shard, made by this version"):
            read_shard(path)
    with pytest.raises(ConfigError, match="expected a writable file"):
        write_shard(torn / "below" / "shard-000000.npz", shard)


def test_same_seed_same_stack_other_seed_other_stack() -> None:
    first, again, other = (make_shard([seed], SMALL).frames for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_finished_shards_are_kept_and_partial_ones_ignored(pool_folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in shard_paths(pool_folder)}
    (pool_folder / ".shard-000009.npz.1.partial").write_bytes(b"half")
    list(fill_pool(pool_folder, range(3), SMALL, [], Making(3)))
    assert {path: path.stat().st_mtime_ns for path in shard_paths(pool_folder)} == before


def test_first_frame_focuses_nearer_and_last_farther_than_the_scene() -> None:
    for seed in range(8):
        stack = generate_stack(np.random.default_rng(seed), SMALL)
        assert stack.focus_px[0] > stack.inverse_depth_px.max()
        assert stack.focus_px[-1] < stack.inverse_depth_px.min()
        assert np.isfinite(stack.radiance).all() and stack.radiance.min() >= 0 and stack.radiance.max() <= 1


def test_photos_become_textures_and_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected pictures of at least 300 px, got 0 files"):
        load_photos(tmp_path)
    cv2.imwrite(str(tmp_path / "a.png"), np.full((310, 320, 3), 188, np.uint8))
    (photo,) = load_photos(tmp_path)
    assert photo.mean() == pytest.approx(0.5, abs=0.01)  # sRGB 188 is half the light
    assert load_photos(None) == []


def test_the_first_focus_lies_before_the_scene_by_little_or_much() -> None:
    """Robots whose nearest focus is far before all they see must find such pictures in training."""
    rng = np.random.default_rng(0)
    narrow = dataclasses.replace(WIDE, largest_coc_px=16.0)
    roomy, tight = (np.array([sample_gap_px(rng, spread, WIDE) for _ in range(2000)]) for spread in (5.0, 40.0))
    assert (roomy > SMALLEST_GAP_PX * 0.999).all() and roomy.max() <= LARGEST_GAP_PX and tight.max() <= 1.0
    assert 0.25 < (roomy > 5).mean() < 0.4 and (roomy < 1).mean() > 0.25
    assert max(sample_gap_px(rng, 20.0, WIDE) for _ in range(500)) <= LARGEST_TAUGHT_COC_PX - 20
    assert max(sample_gap_px(rng, 10.0, narrow) for _ in range(500)) <= 16 - 10


def test_some_textures_are_soft_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    def sharpness(share: float) -> float:
        monkeypatch.setattr(textures, "SOFT_SHARE", share)
        drawn = [textures.random_texture(np.random.default_rng(seed), 64) for seed in range(30)]
        return float(np.mean([np.abs(np.diff(texture, axis=0)).mean() / texture.std() for texture in drawn]))

    assert sharpness(1.0) < 0.7 * sharpness(0.0)


def test_shadows_and_highlights_have_soft_edges() -> None:
    light = np.stack([_shadows_and_highlights(np.random.default_rng(seed), 96) for seed in range(40)])
    assert light.min() < 0.6 and light.max() > 1.5 and (light.reshape(40, -1).std(1) == 0).any()
    steepest = np.abs(np.diff(np.log(light), axis=1)).max()
    assert steepest < np.ptp(np.log(light)) / SPOT_CELL_PX
