"""Crops on a device: the same geometry, targets and blindness to ground truth as those of the data processes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from defocus_depth.errors import ConfigError
from defocus_training.data.augment import AugmentOptions
from defocus_training.data.crops import (
    Crop,
    CropOptions,
    Turn,
    _told_nearest_px,
    nearest_taught_px,
    pair_of,
    usable_frames,
)
from defocus_training.data.device_crops import DevicePairs, Windows
from defocus_training.data.photometric import PhotometricPairs
from defocus_training.data.pool import Shard, read_shard, shard_paths, write_shard
from defocus_training.data.sources import PoolSource
from defocus_training.data.stack_bank import StackBank
from defocus_training.networks.model import UNKNOWN_NEAREST_PX

CPU = torch.device("cpu")
CROPS = CropOptions(size_px=32)
PLAIN = AugmentOptions((1.0, 1.0), tone=0, motion_blur=0, softness=0, noise=0, demosaic=0, jpeg=0)


def bank_of(folder: Path, supervision: str = "self", capacity: int = 64) -> StackBank:
    return StackBank(folder, 1, supervision, capacity, CPU)  # type: ignore[arg-type]


def first_training_shard(folder: Path) -> Shard:
    return read_shard(shard_paths(folder)[1])


def twin_windows(size: int, side: int, corner: tuple[int, int], quarters: int, mirrored: bool, extent: int) -> Windows:
    """What `DevicePairs._choose` would say of the crop with this window (corner: left, top) and turn."""
    angle = torch.tensor(quarters * torch.pi / 2)
    turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    turn = turn @ torch.diag(torch.tensor([-1.0 if mirrored else 1.0, 1.0]))
    centre = (2 * torch.tensor(corner, dtype=torch.float32) + side) / extent - 1
    affine = torch.cat([side / extent * turn, centre[:, None]], 1)[None]
    return Windows(torch.tensor([0]), torch.tensor([[0, 1]]), torch.tensor([size / side]), affine, size)


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_window_of_full_size_gives_the_very_pixels_of_the_cpu_path(
    pool_folder: Path, quarters: int, mirrored: bool
) -> None:
    shard, side = first_training_shard(pool_folder), 32
    extent = shard.frames.shape[2]
    window = slice(8, 8 + side), slice(20, 20 + side)  # rows, columns
    crop = Crop(shard, 0, [0, 1], window, 1.0, Turn(quarters, mirrored), side)
    expected = pair_of(np.random.default_rng(0), crop, "self", CROPS, PLAIN)
    pairs = DevicePairs(bank_of(pool_folder), CROPS, PLAIN, 0)
    found = pairs.pairs_of(twin_windows(side, side, (20, 8), quarters, mirrored, extent))
    torch.testing.assert_close(found.image[0], expected.image, atol=1 / 500, rtol=0)
    torch.testing.assert_close(found.target_px[0], expected.target_px, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(found.target_scale_px[0], expected.target_scale_px, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(found.weight[0], expected.weight, atol=2e-3, rtol=1e-3)
    assert torch.equal(found.focus_px[0], expected.focus_px)
    assert torch.equal(found.outside[0], expected.outside) and found.standing[0] == expected.standing


@pytest.mark.parametrize(("side", "tolerance"), [(24, 0.02), (48, 0.05)])
def test_resampling_agrees_with_the_cpu_path(pool_folder: Path, side: int, tolerance: float) -> None:
    shard, size = first_training_shard(pool_folder), 32
    window = slice(4, 4 + side), slice(6, 6 + side)
    crop = Crop(shard, 0, [0, 1], window, size / side, Turn(1, True), size)
    expected = pair_of(np.random.default_rng(0), crop, "self", CROPS, PLAIN)
    pairs = DevicePairs(bank_of(pool_folder), CROPS, PLAIN, 0)
    found = pairs.pairs_of(twin_windows(size, side, (6, 4), 1, True, shard.frames.shape[2]))
    assert float((found.image[0] - expected.image).square().mean().sqrt()) < tolerance
    torch.testing.assert_close(found.focus_px[0], expected.focus_px)
    assert float((found.target_px[0] - expected.target_px).abs().mean()) < 0.1


def test_self_supervision_never_sees_ground_truth(pool_folder: Path, tmp_path: Path) -> None:
    for path in shard_paths(pool_folder):
        shard = read_shard(path)
        write_shard(tmp_path / path.name, dataclasses.replace(shard, truth_px=np.full_like(shard.truth_px, np.nan)))
    clean, blind = (
        next(DevicePairs(bank_of(folder), CROPS, AugmentOptions(), 3).photometric_batches(4))
        for folder in (pool_folder, tmp_path)
    )
    for a, b in zip([*clean.pair, *clean[1:]], [*blind.pair, *blind[1:]], strict=True):
        assert torch.equal(a, b) and a.isfinite().all()
    truth = next(DevicePairs(bank_of(tmp_path, "truth"), CROPS, AugmentOptions(), 3).batches(4))
    assert truth.target_px.isnan().all() and (truth.weight == 1).all() and not truth.target_scale_px.any()


def test_frames_are_chosen_by_the_rules_of_the_cpu_path(pool_folder: Path) -> None:
    bank = bank_of(pool_folder)
    shards = [read_shard(path) for path in shard_paths(pool_folder)[1:]]
    usable = [usable_frames(shard, stack) for shard in shards for stack in range(len(shard.focus_px))]
    for crops in (CROPS, dataclasses.replace(CROPS, siamese=False)):
        windows = DevicePairs(bank, crops, PLAIN, 1)._choose(4000)
        for stack, frames in zip(windows.stack.tolist(), windows.frames.tolist(), strict=True):
            assert set(frames) <= set(usable[stack])
            assert (frames[0] != frames[1]) == crops.siamese
        firsts = windows.frames[:, 0] == torch.tensor([each[0] for each in usable])[windows.stack]
        assert abs(float(firsts.float().mean()) - crops.near_share) < 0.03
    assert set(windows.stack.tolist()) == set(range(bank.count))


def test_both_paths_agree_on_which_frames_are_focused_outside_the_scene(pool_folder: Path, tmp_path: Path) -> None:
    """Of stacks whose far half lies beyond the last focus in the second one only."""
    for path in shard_paths(pool_folder):
        shard = read_shard(path)
        taught = shard.teacher_px.copy()
        taught[1, :, ::2] = shard.focus_px[1, -1] - 3
        write_shard(tmp_path / path.name, dataclasses.replace(shard, teacher_px=taught))
    shard, count = first_training_shard(tmp_path), shard.focus_px.shape[1]
    pairs, seen = DevicePairs(bank_of(tmp_path), CROPS, PLAIN, 0), []
    for stack in (0, 1):
        for frame in range(count):
            chosen = [frame, count - 1 - frame]
            crop = Crop(shard, stack, chosen, (slice(0, 32), slice(0, 32)), 1.0, Turn(0, False), 32)
            expected = pair_of(np.random.default_rng(0), crop, "self", CROPS, PLAIN).outside
            windows = twin_windows(32, 32, (0, 0), 0, False, shard.frames.shape[2])
            placed = dataclasses.replace(windows, stack=torch.tensor([stack]), frames=torch.tensor([chosen]))
            assert torch.equal(pairs.pairs_of(placed).outside[0], expected)
            seen.append(expected.tolist())
    assert seen[0] == [1, 1] and seen[count] == [1, 0]


def test_both_paths_tell_the_networks_true_bounds_of_the_nearest_depth(pool_folder: Path) -> None:
    """Of three kinds in their shares: the nearest focus, the teacher's nearest depth with some slack, or nothing."""
    crops = dataclasses.replace(CROPS, rig_share=0.4, bound_share=0.4)
    bank, shards = bank_of(pool_folder), [read_shard(path) for path in shard_paths(pool_folder)[1:]]
    stacks = [(shard, stack) for shard in shards for stack in range(len(shard.focus_px))]
    stack = torch.arange(len(stacks)).repeat(500)
    told = DevicePairs(bank, crops, PLAIN, 4)._told_nearest_px(stack).view(500, -1)
    rng = np.random.default_rng(4)
    for index, (shard, place) in enumerate(stacks):
        window = slice(0, 32), slice(0, 32)
        crop = Crop(shard, place, [0, 1], window, 1.0, Turn(0, False), 32)
        theirs = torch.tensor([_told_nearest_px(rng, crop, crops) for _ in range(500)])
        taught = nearest_taught_px(shard, place)
        for values in (told[:, index], theirs):
            nearest = max(float(shard.focus_px[place].max()), taught)
            rig, unknown = (values - nearest).abs() < 1e-3, values == UNKNOWN_NEAREST_PX
            assert abs(float(rig.float().mean()) - 0.4) < 0.1 and abs(float(unknown.float().mean()) - 0.2) < 0.1
            bounds = values[~rig & ~unknown]
            assert taught * 0.999 <= float(bounds.min()) and float(bounds.max()) <= taught * 1.301


def test_windows_stay_inside_the_stack(pool_folder: Path) -> None:
    options = dataclasses.replace(PLAIN, rescale=(0.3, 2.0))
    windows = DevicePairs(bank_of(pool_folder), CROPS, options, 2)._choose(500)
    corners = torch.tensor([[-1.0, -1], [1, -1], [-1, 1], [1, 1]]).T
    reached = windows.affine[:, :, :2] @ corners + windows.affine[:, :, 2:]
    assert reached.abs().max() < 1 + 1e-5
    assert windows.ratio.min() < 0.5 < 1.8 < windows.ratio.max()


def test_photometric_batches_agree_with_the_cpu_path(pool_folder: Path) -> None:
    """The composite, its blur and the frames of a batch without resampling have the values of the other path."""
    crops = dataclasses.replace(CROPS, size_px=64)
    theirs = PhotometricPairs(PoolSource(pool_folder, 1), "self", 0, crops, PLAIN).batches(64, 5)
    ours = DevicePairs(bank_of(pool_folder), crops, PLAIN, 5).photometric_batches(64)
    expected, found = next(theirs), next(ours)
    for name in ("sharp", "sharp_coc_px", "captured", "captured_focus_px"):
        a, b = getattr(expected, name), getattr(found, name)
        assert a.shape == b.shape
        assert abs(float(a.mean()) / float(b.mean()) - 1) < 0.2, name
    torch.testing.assert_close(found.captured_focus_px[:, :2], found.pair.focus_px)


def test_a_full_bank_replaces_its_oldest_stacks_and_takes_new_shards_in(pool_folder: Path, tmp_path: Path) -> None:
    paths = shard_paths(pool_folder)
    for path in paths[:2]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    bank = bank_of(tmp_path, capacity=4)
    assert bank.count == 3 and bank.take_new_shards(wait=True) == 0
    (tmp_path / paths[2].name).write_bytes(paths[2].read_bytes())
    assert bank.take_new_shards(wait=True) == 1 and bank.count == 4
    late = torch.from_numpy(np.array(read_shard(paths[2]).focus_px))
    assert torch.equal(bank.focus_px[[3, 0, 1]], late)


def test_of_more_shards_than_fit_the_newest_are_read(pool_folder: Path) -> None:
    paths = shard_paths(pool_folder)
    bank = bank_of(pool_folder, capacity=3)  # one shard; the first is held out
    assert bank.count == 3
    newest = torch.from_numpy(np.array(read_shard(paths[-1]).focus_px))
    assert torch.equal(bank.focus_px, newest)
    assert bank_of(pool_folder, capacity=4).count == 4


def test_new_shards_are_taken_in_their_order_without_waiting(pool_folder: Path, tmp_path: Path) -> None:
    paths = shard_paths(pool_folder)
    for path in paths[:2]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    bank = bank_of(tmp_path)
    for number in range(4, 9):
        (tmp_path / f"shard-{number:06d}.npz").write_bytes(paths[number % 2].read_bytes())
    taken = [bank.take_new_shards()]
    while sum(taken) < 5:
        taken.append(bank.take_new_shards())
    assert taken[0] == 0 and bank.count == 3 + 5 * 3  # the first look only asks for them
    foci = [torch.from_numpy(np.array(read_shard(paths[number % 2]).focus_px)) for number in range(4, 9)]
    assert torch.equal(bank.focus_px[3:18], torch.cat(foci))


def test_pools_that_cannot_be_banked_are_refused(pool_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected more shards than the 1 held out .*, got 0"):
        bank_of(tmp_path)
    first, second = shard_paths(pool_folder)[:2]
    (tmp_path / first.name).write_bytes(first.read_bytes())
    (tmp_path / second.name).write_bytes(second.read_bytes())
    shard = read_shard(second)
    write_shard(tmp_path / "shard-000009.npz", dataclasses.replace(shard, frames=shard.frames[:, :2]))
    with pytest.raises(ConfigError, match="expected stacks .* got .*; crops_on=workers takes such pools"):
        bank_of(tmp_path)
