"""`defocus_training synthesize`: stacks of every kind, whose blur and depth agree."""

import json

import cv2
import numpy as np
import pytest

from defocus_depth.commands.dispatch import main
from defocus_depth.optics import to_linear
from defocus_depth.simulation.rgbd import render_defocus
from defocus_depth.simulation.rigs import find_rig
from defocus_depth.simulation.seeds import SYNTHESIS_SEEDS, TRAINING_SEEDS
from defocus_depth.stacks import find_stacks, load_ground_truth, load_image, read_stack, validate_stack
from defocus_training.cli import COMMANDS
from defocus_training.data.pool import TRAINING_SEED_BASE
from defocus_training.data.rgbd_folder import find_pairs, load_pair
from defocus_training.data.synthesis import check_seeds


def synthesize(*arguments) -> int:
    return main("defocus_training", COMMANDS, ["synthesize", *map(str, arguments)])


def stacks_in(folder):
    return [read_stack(path) for path in find_stacks(folder)]


def truth_m(stack):
    depth_m = load_ground_truth(stack)
    assert depth_m is not None
    return depth_m


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("synthetic")
    options = ("--count", 6, "--seed", 3, "--width", 160, "--rays-share", 0.4, "--samples-per-pixel", 8)
    assert synthesize(out / "stacks", *options, "--json", out / "made.json") == 0
    assert synthesize(out / "again", *options) == 0
    return out


def test_both_kinds_are_valid_stacks_within_the_rigs_depths(made):
    figures = json.loads((made / "made.json").read_text())
    stacks = stacks_in(made / "stacks")
    assert figures["stacks"] == len(stacks) == 6 and figures["by_generator"] == {"layers": 5, "rays": 1}
    rig = find_rig("robot")
    for stack in stacks:
        assert validate_stack(stack.path) == []
        assert [frame.focus_distance_m for frame in stack.frames] == list(rig.sweep_m)
        assert stack.name.split("_")[1] == stack.source["generator"] and stack.camera.width == 160
        assert stack.lens is not None and stack.lens.pixel_pitch_m == pytest.approx(12e-6)  # 6 µm at 320 px
        depth_m = truth_m(stack)
        assert rig.depth_min_m * 0.999 <= depth_m.min() and depth_m.max() <= rig.depth_max_m * 1.001


def test_the_same_seed_makes_the_same_stacks(made):
    for one, other in zip(stacks_in(made / "stacks"), stacks_in(made / "again"), strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(load_image(one, 2), load_image(other, 2))
        np.testing.assert_array_equal(load_ground_truth(one), load_ground_truth(other))


def test_seeds_are_apart_from_trainings():
    assert SYNTHESIS_SEEDS.stop <= min(TRAINING_SEED_BASE, TRAINING_SEEDS.start)
    check_seeds(0, len(SYNTHESIS_SEEDS))


def test_textured_pixels_are_sharpest_where_the_focus_meets_their_depth(made):
    """Between frames 1 and 4 the sharper one is that whose focus is nearer to the depth in dioptres."""
    right = []
    for stack in stacks_in(made / "stacks"):
        nearness = 1 / truth_m(stack)
        near, far = 1, 4
        energy = [local_energy(load_image(stack, index)) for index in (near, far)]
        foci = [1 / stack.frames[index].focus_distance_m for index in (near, far)]
        clear = np.abs(np.abs(nearness - foci[0]) - np.abs(nearness - foci[1])) > 0.8
        clear &= np.maximum(*energy) > 100
        sharper_far = energy[1] > energy[0]
        right.append((sharper_far == (np.abs(nearness - foci[0]) > np.abs(nearness - foci[1])))[clear])
    assert np.concatenate(right).size > 2000
    assert np.concatenate(right).mean() > 0.85  # rims show their neighbours


def local_energy(image):
    grey = image.astype(np.float32).mean(2)
    laplacian = 4 * grey - sum(np.roll(grey, step, axis) for step in (1, -1) for axis in (0, 1))
    return cv2.blur(laplacian**2, (5, 5))


def test_rgbd_pairs_become_stacks_named_by_source(rgbd_folder, tmp_path):
    out = tmp_path / "stacks"
    options = ("--rig", "nyu", "--width", 64, "--rgbd", rgbd_folder, "--json", tmp_path / "made.json")
    assert synthesize(out, *options, "--full-well-e", 1e9, "--read-noise-e", 0) == 0
    stacks = stacks_in(out)
    assert [stack.name for stack in stacks] == ["desk_000", "desk_001", "shelf_000"]
    assert json.loads((tmp_path / "made.json").read_text())["by_rgbd_source"] == {"desk": 2, "shelf": 1}
    stack, rig = stacks[0], find_rig("nyu").at_size(64, 48)
    assert stack.camera.fx == 50.0 and stack.lens == rig.lens
    assert [frame.focus_distance_m for frame in stack.frames] == [1, 1.5, 2.5, 4, 6]
    radiance, depth_m, _ = load_pair(find_pairs(rgbd_folder)[0], 64)
    np.testing.assert_array_equal(load_ground_truth(stack), depth_m)
    expected = render_defocus(radiance, depth_m, 2.5, rig.lens)
    np.testing.assert_allclose(to_linear(load_image(stack, 2) / 255, "srgb"), expected, atol=0.005)


def test_count_limits_the_pairs(rgbd_folder, tmp_path):
    assert synthesize(tmp_path / "stacks", "--rgbd", rgbd_folder, "--width", 64, "--count", 1) == 0
    assert [stack.name for stack in stacks_in(tmp_path / "stacks")] == ["desk_000"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--rig", "drone"), "rig: expected one of robot, nyu, macro"),
        (("--count", 0), "count ≥ 1"),
        (("--seed", -1), "seed ≥ 0"),
        (("--rays-share", 2), "--rays-share: expected 0..1, got 2"),
        (("--width", 101), "expected the aspect ratio"),
        (("--rgbd", "nowhere"), "expected meta.json"),
    ],
)
def test_bad_options_are_one_line(tmp_path, capsys, options, problem):
    assert synthesize(tmp_path / "stacks", *options) == 2
    assert problem in capsys.readouterr().err


def test_a_stack_that_is_there_is_never_overwritten(made, capsys):
    assert synthesize(made / "again", "--count", 1, "--seed", 3, "--width", 160) == 2
    assert "expected a folder without a stack" in capsys.readouterr().err
