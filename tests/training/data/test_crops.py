"""Crops: targets follow the geometry, and self-supervision never touches ground truth."""

import dataclasses
from pathlib import Path

import numpy as np
import torch

from defocus_training.data.augment import AugmentOptions, camera_effects, demosaiced, motion_blur, tone_curve
from defocus_training.data.crops import CropOptions, PairStream, draw_pair, outside_frames, usable_frames
from defocus_training.data.pool import read_shard, shard_paths
from defocus_training.data.sources import PoolSource

CROPS = CropOptions(size_px=64)
PLAIN = AugmentOptions((1.0, 1.0), tone=0, motion_blur=0, softness=0, noise=0, demosaic=0, jpeg=0)


def test_self_supervision_is_blind_to_ground_truth(pool_folder: Path) -> None:
    shard = read_shard(shard_paths(pool_folder)[0])
    poisoned = dataclasses.replace(shard, truth_px=np.full_like(shard.truth_px, np.nan))
    for seed in range(5):
        clean = draw_pair(np.random.default_rng(seed), shard, "self", CROPS, AugmentOptions())
        other = draw_pair(np.random.default_rng(seed), poisoned, "self", CROPS, AugmentOptions())
        for a, b in zip(clean, other, strict=False):
            assert torch.equal(a, b)
    truth = draw_pair(np.random.default_rng(0), poisoned, "truth", CROPS, AugmentOptions())
    assert truth.target_px.isnan().any()


def test_pairs_say_whether_things_stand_and_which_frames_are_focused_outside_the_scene(pool_folder: Path) -> None:
    shard = read_shard(shard_paths(pool_folder)[0])
    for standing in (False, True):
        alike = dataclasses.replace(shard, standing=np.full(len(shard.standing), standing))
        pairs = [draw_pair(np.random.default_rng(seed), alike, "self", CROPS, PLAIN) for seed in range(12)]
        assert {float(pair.standing) for pair in pairs} == {float(standing)}
        assert 0 < torch.stack([pair.outside for pair in pairs]).mean() < 1


def test_resampling_scales_focus_and_target(pool_folder: Path) -> None:
    shard = read_shard(shard_paths(pool_folder)[0])
    flat = dataclasses.replace(shard, truth_px=np.full_like(shard.truth_px, 5.0))
    enlarged = dataclasses.replace(PLAIN, rescale=(1.25, 1.25))
    pair = draw_pair(np.random.default_rng(0), flat, "truth", CROPS, enlarged)
    ratio = 64 / round(64 / 1.25)
    torch.testing.assert_close(pair.target_px, torch.full_like(pair.target_px, 5.0 * ratio))
    focuses = shard.focus_px * ratio
    assert all(np.isclose(focuses, float(focus), atol=1e-4).any() for focus in pair.focus_px)


def test_image_and_target_turn_together(pool_folder: Path) -> None:
    shard = read_shard(shard_paths(pool_folder)[0])
    luma = shard.frames[:, 0].astype(np.float32).mean(-1)
    same = dataclasses.replace(
        shard, frames=np.repeat(shard.frames[:, :1], 4, 1), truth_px=(luma / 8).astype(np.float16)
    )
    for seed in range(6):
        pair = draw_pair(np.random.default_rng(seed), same, "truth", CROPS, PLAIN)
        cells = torch.nn.functional.avg_pool2d(pair.image[0].mean(0, keepdim=True) * 255 / 8, 4)
        torch.testing.assert_close(cells, pair.target_px, atol=0.05, rtol=0.01)


def test_upright_crops_are_only_mirrored(pool_folder: Path) -> None:
    shard = read_shard(shard_paths(pool_folder)[0])
    ramp = np.linspace(1, 9, shard.truth_px.shape[1], dtype=np.float16)[None, :, None]
    sloping = dataclasses.replace(shard, truth_px=np.broadcast_to(ramp, shard.truth_px.shape))

    def falls(share: float) -> list[bool]:
        options = dataclasses.replace(CROPS, upright_share=share)
        pairs = [draw_pair(np.random.default_rng(seed), sloping, "truth", options, PLAIN) for seed in range(12)]
        return [bool((pair.target_px[0, 1:] > pair.target_px[0, :-1]).all()) for pair in pairs]

    assert all(falls(1.0))
    assert not all(falls(0.0))


def test_stream_is_endless_batched_and_in_range(pool_folder: Path) -> None:
    stream = iter(PairStream(PoolSource(pool_folder, 1), "self", 0, CROPS, AugmentOptions()))
    for _ in range(20):
        pair = next(stream)
        assert pair.image.shape == (2, 3, 64, 64) and 0 <= float(pair.image.min()) and float(pair.image.max()) <= 1
        assert pair.focus_px[0] != pair.focus_px[1]
        assert (pair.weight >= 0).all() and (pair.weight <= 1).all()


def test_motion_blur_keeps_the_mean_and_spreads_a_point() -> None:
    point = np.zeros((33, 33, 3), np.float32)
    point[16, 16] = 1
    blurred = motion_blur(point, 8.0, 0.0)
    assert blurred.sum() == np.float32(3.0) or abs(blurred.sum() - 3) < 1e-3
    assert (blurred[16, 12:21, 0] > 0.05).sum() >= 7 and blurred[10].max() == 0


def test_every_camera_effect_changes_the_picture() -> None:
    rng_picture = np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)
    plain = camera_effects(np.random.default_rng(1), rng_picture, PLAIN).picture
    assert np.abs(plain - rng_picture).max() <= 0.5 / 255 + 1e-6
    for name in ("motion_blur", "softness", "noise", "demosaic", "jpeg"):
        changed, _ = camera_effects(np.random.default_rng(1), rng_picture, dataclasses.replace(PLAIN, **{name: 1.0}))
        assert np.abs(changed - plain).mean() > 1e-4, name
    assert not np.array_equal(
        tone_curve(np.random.default_rng(0), AugmentOptions(tone=1.0)), tone_curve(np.random.default_rng(0), PLAIN)
    )


def test_demosaicing_keeps_colours_of_flat_areas() -> None:
    flat = np.full((16, 16, 3), (200, 120, 40), np.uint8)
    np.testing.assert_allclose(demosaiced(flat)[4:-4, 4:-4], flat[4:-4, 4:-4], atol=1)


def test_frames_that_sdnet_cannot_express_are_not_shown(pool_folder: Path) -> None:
    shard = read_shard(shard_paths(pool_folder)[0])
    stacks, count = shard.focus_px.shape
    focus = np.tile(np.linspace(60, 5, count, dtype=np.float32), (stacks, 1))
    near = dataclasses.replace(shard, focus_px=focus, teacher_px=np.full_like(shard.teacher_px, 12.0))
    assert usable_frames(near, 0) == [frame for frame in range(count) if abs(focus[0, frame] - 12) <= 32]
    far_off = dataclasses.replace(near, teacher_px=np.full_like(shard.teacher_px, 200.0))
    assert usable_frames(far_off, 0) == [0, 1]
    shown = [draw_pair(np.random.default_rng(seed), near, "self", CROPS, PLAIN) for seed in range(20)]
    assert max(float(pair.focus_px.max()) for pair in shown) < 60


def test_sweeps_that_end_inside_the_scene_have_no_frames_outside_it(pool_folder: Path) -> None:
    """First and last frame, by more than single wrong pixels of the teacher; those of procedural stacks are outside."""
    shard = read_shard(shard_paths(pool_folder)[0])
    first_and_last = np.isin(np.arange(shard.focus_px.shape[1]), (0, shard.focus_px.shape[1] - 1))
    stacks, last = range(len(shard.focus_px)), float(shard.focus_px[0, -1])
    assert all(np.array_equal(outside_frames(shard, stack), first_and_last) for stack in stacks)
    for beyond, width, expected in ((2.0, 32, (1, 0)), (2.0, 5, (1, 1)), (0.5, 64, (1, 1))):
        taught = shard.teacher_px.copy()
        taught[0, :width, :width] = last - beyond
        found = outside_frames(dataclasses.replace(shard, teacher_px=taught), 0)
        assert (found[0], found[-1]) == expected and not found[1:-1].any()
    near = np.full_like(shard.teacher_px, shard.focus_px.max() + 2)
    found = outside_frames(dataclasses.replace(shard, teacher_px=near), 0)
    assert (found[0], found[-1]) == (0, 1)
