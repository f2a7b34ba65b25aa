"""Crops of fitted stacks as a training pool."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.optics import to_linear
from defocus_depth.types import CameraIntrinsics, FocalStack, Frame, LensParameters
from defocus_training.data.augment import AugmentOptions
from defocus_training.data.crops import CropOptions, PairStream
from defocus_training.data.pool import Shard, read_shard, shard_paths
from defocus_training.data.sources import PoolSource
from defocus_training.fitting.held_out import HeldOut
from defocus_training.fitting.judge import Fit
from defocus_training.fitting.registration import unmoved
from defocus_training.fitting.stack_pool import divided, fitted_frames, pixel_units, stack_shard, write_stack_pool


def made_fit(width: int = 272, height: int = 192, metric: bool = True) -> Fit:
    """A fit of four frames, the third left out; its inverse depth grows from left to right."""
    rng = np.random.default_rng(0)
    frames = tuple(Frame(f"{index}.png", 0.5 + index) for index in range(4))
    lens = LensParameters(blur_gain_px_per_dpt=10.0)
    stack = FocalStack(Path("made"), frames, lens, CameraIntrinsics(width, height, 300, 300, 0, 0), metric=metric)
    inverse_depth = np.broadcast_to(np.linspace(0.4, 1.9, width, dtype=np.float32), (height, width)).copy()
    return Fit(
        stack=stack,
        colour=np.zeros((height, width, 3), np.float32),
        inverse_depth=inverse_depth,
        scale=np.full((height, width), 0.05, np.float32),
        confidence=np.ones((height, width), np.float32),
        frames=rng.random((4, height, width, 3)).astype(np.float32),
        gain_px_per_dpt=np.full(4, 10.0),
        focus_dpt=np.array([2.0, 1.5, 1.0, 0.4]),
        registration=unmoved(4),
        psnr_db=40.0,
        held_out=(HeldOut(2, 30.0, 29.0),),
        reduction=1,
    )


def test_crops_hold_the_fitted_frames_in_px_of_blur() -> None:
    shard = stack_shard(made_fit())
    assert shard.frames.shape == (6, 3, 176, 176, 3)
    np.testing.assert_allclose(shard.focus_px[0], [20, 15, 4], rtol=1e-6)
    assert float(shard.teacher_px[0, 0, 0]) == pytest.approx(4.0, rel=1e-3)
    assert float(shard.teacher_px[-1, -1, -1]) == pytest.approx(19.0, rel=1e-3)
    assert float(shard.teacher_deviation_px[0, 0, 0]) == pytest.approx(0.5 * np.sqrt(2), rel=1e-3)
    assert np.isnan(shard.truth_px).all()


def test_a_repeated_frame_is_no_frame_of_its_own() -> None:
    fit = made_fit()
    repeated = replace(fit.stack.frames[3], repeat_of=0)
    stack = replace(fit.stack, frames=(*fit.stack.frames[:3], repeated))
    assert fitted_frames(replace(fit, stack=stack)) == [0, 1]


def test_without_metres_only_the_offset_is_a_guess() -> None:
    fit = made_fit(metric=False)
    units = pixel_units(fit)
    np.testing.assert_allclose(units.back(units.of(fit.inverse_depth)), fit.inverse_depth, atol=1e-5)
    assert np.percentile(units.of(fit.inverse_depth), 1) == pytest.approx(0.5, abs=1e-3)
    metric, relative = stack_shard(made_fit()), stack_shard(fit)
    blur = [shard.focus_px[0][0] - shard.teacher_px[0].astype(np.float32) for shard in (metric, relative)]
    np.testing.assert_allclose(blur[1], blur[0], atol=0.03)  # float16


def test_training_reads_the_pool_and_never_its_truth(tmp_path: Path) -> None:
    held_out, training = divided([made_fit(), made_fit(320, 240)], 2)
    write_stack_pool(tmp_path, held_out, training)
    extents = [read_shard(path).frames.shape[2] for path in shard_paths(tmp_path)]
    assert extents == [90, 106, 176, 176]
    source = PoolSource(tmp_path, len(held_out))
    assert [len(shard.frames) for shard in source.held_out()] == [len(shard.frames) for shard in held_out]
    pair = next(iter(PairStream(source, "self", 0, CropOptions(), AugmentOptions())))
    assert pair.target_px.isfinite().all() and pair.weight.max() > 0.3


def test_of_four_stacks_and_more_whole_ones_are_held_out() -> None:
    fits = [replace(made_fit(), scale=np.full((192, 272), 1 + index, np.float32)) for index in range(9)]
    held_out, training = divided(iter(fits), len(fits))
    stacks = [[float(shard.teacher_deviation_px[0, 0, 0]) for shard in shards] for shards in (held_out, training)]
    np.testing.assert_allclose(stacks[0], 10 * np.sqrt(2) * np.array([4, 8]), rtol=1e-3)
    np.testing.assert_allclose(stacks[1], 10 * np.sqrt(2) * np.array([1, 2, 3, 5, 6, 7, 9]), rtol=1e-3)
    assert len(divided(fits[:4], 4)[0]) == 1


@pytest.mark.parametrize("size", [(320, 240), (240, 176), (240, 320), (900, 700)])
def test_of_fewer_stacks_training_sees_no_pixel_of_the_strip_held_out(size: tuple[int, int]) -> None:
    fit = made_fit(*size)
    height, width = fit.inverse_depth.shape
    numbers = np.arange(height * width, dtype=np.float32).reshape(height, width)
    places = np.stack([numbers // 2**16, numbers // 2**8 % 2**8, numbers % 2**8], -1) / 255  # each pixel's own colour
    same = replace(fit, frames=to_linear(np.repeat(places[None], 4, 0), "srgb").astype(np.float32))
    (held_out,), (training,) = divided([same], 1)

    def seen(shard: Shard) -> set[int]:
        return set((shard.frames[:, 0].astype(np.int64) @ [2**16, 2**8, 1]).ravel().tolist())

    assert not seen(held_out) & seen(training)
    assert len(seen(held_out) | seen(training)) == height * width
    assert len(seen(held_out)) <= 0.34 * height * width


def test_refusals_say_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="made: expected at least 176x176 px at working size, got 200x150"):
        stack_shard(made_fit(200, 150))
    for size in ((200, 190), (320, 150)):
        with pytest.raises(ConfigError, match="made: expected at least 240x176 px .* of fewer than 4 stacks, got"):
            divided([made_fit(*size)], 1)
    shards = divided([made_fit()], 1)
    write_stack_pool(tmp_path, *shards)
    with pytest.raises(ConfigError, match="expected a folder without shards, got one that holds a pool"):
        write_stack_pool(tmp_path, *shards)
