import dataclasses

import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.share import share_path
from defocus_depth.simulation.rigs import MACRO, NYU, RIGS, ROBOT, find_rig
from defocus_depth.simulation.seeds import (
    CAMERA_SEEDS,
    EVALUATION_SEEDS,
    SYNTHESIS_SEEDS,
    TRAINING_SEEDS,
    seed_range_name,
)


def test_the_robot_camera_has_3_um_pixels_at_640():
    fine = ROBOT.at_size(640, 480)
    assert fine.lens.pixel_pitch_m == pytest.approx(3e-6) and fine.lens.image_width_px == 640
    assert fine.camera.fx == pytest.approx(8e-3 / 3e-6)
    assert (fine.camera.cx, fine.camera.cy) == (319.5, 239.5)


@pytest.mark.parametrize("rig", RIGS.values(), ids=RIGS)
def test_twice_the_pixels_twice_the_blur(rig):
    assert rig.at_size(640, 480).blur_gain_px_per_dpt(1.3) == pytest.approx(2 * rig.blur_gain_px_per_dpt(1.3))


def test_blur_gains_are_those_of_the_textbook_formula():
    # f²·s / (N·p·(s − f)), worked out by hand
    assert ROBOT.blur_gain_px_per_dpt(0.35) == pytest.approx(64e-6 * 0.35 / (1.4 * 6e-6 * 0.342))
    assert NYU.blur_gain_px_per_dpt(1.0) == pytest.approx(2.5e-3 / (8 * 12e-6 * 0.95))


@pytest.mark.parametrize("rig", [ROBOT, MACRO], ids=lambda rig: rig.name)
def test_the_near_focus_lies_before_every_scene(rig):
    assert rig.near_focus_m < rig.depth_min_m
    assert rig.sweep_m[0] == rig.near_focus_m and list(rig.sweep_m) == sorted(rig.sweep_m)


def test_another_aspect_ratio_is_refused():
    with pytest.raises(ConfigError, match="expected the aspect ratio 320:240, got 640x400"):
        ROBOT.at_size(640, 400)


def test_unknown_rigs_are_refused():
    with pytest.raises(ConfigError, match="expected one of robot, nyu, macro or a YAML file, got 'drone'"):
        find_rig("drone")


@pytest.mark.parametrize("name", RIGS)
def test_the_rigs_in_config_are_those_in_the_code(name):
    rig, expected = find_rig(str(share_path("config", "rigs", f"{name}.yaml"))), RIGS[name]
    assert rig.sweep_m == pytest.approx(expected.sweep_m)
    assert dataclasses.replace(rig, sweep_m=expected.sweep_m) == expected


LENS = "lens: {focal_length_m: 0.008, f_number: 1.4, pixel_pitch_m: 6.0e-6, image_width_px: 320}\n"
RIG = """lens: lens.yaml
camera: {width: 320, height: 240, fx: 500.0, fy: 500.0, cx: 159.5, cy: 119.5}
depth_min_m: 0.5
depth_max_m: 2.0
sweep_m: [0.4, 1.0]
"""


def test_a_rig_of_ones_own(tmp_path):
    (tmp_path / "lens.yaml").write_text(LENS)
    (tmp_path / "mine.yaml").write_text(RIG)
    rig = find_rig(str(tmp_path / "mine.yaml"))
    assert (rig.name, rig.near_focus_m, rig.sweep_m, rig.depth_max_m) == ("mine", 0.4, (0.4, 1.0), 2.0)
    assert rig.lens == ROBOT.lens and rig.camera.fx == 500


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("depth_min_m: 0.5", "depth_min_m: 3", "mine.yaml: depth_max_m: expected more than depth_min_m = 3.0, got 2.0"),
        ("[0.4, 1.0]", "[1.0, 0.4]", "mine.yaml: sweep_m: expected the nearest distance first"),
        ("[0.4, 1.0]", "[0.001, 1.0]", "mine.yaml: sweep_m: focus_distance_m: expected beyond the focal length"),
        ("[0.4, 1.0]", "[0.4]", "mine.yaml: sweep_m: "),
        ("fx: 500.0", "fx: -1", "mine.yaml: camera.fx: expected"),
        ("lens.yaml", "other.yaml", "other.yaml: expected a readable lens YAML"),
        (RIG, "[", "mine.yaml: expected YAML"),
    ],
)
def test_bad_rig_files_are_refused(tmp_path, old, new, problem):
    (tmp_path / "lens.yaml").write_text(LENS)
    (tmp_path / "mine.yaml").write_text(RIG.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        find_rig(str(tmp_path / "mine.yaml"))
    assert problem in str(caught.value)


def test_a_missing_rig_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="expected a readable rig YAML"):
        find_rig(str(tmp_path / "none.yaml"))


def test_nobody_shares_training_seeds():
    assert TRAINING_SEEDS.start == 10_000_000
    ranges = (EVALUATION_SEEDS, CAMERA_SEEDS, SYNTHESIS_SEEDS, TRAINING_SEEDS)
    assert all(one.stop <= other.start for one, other in zip(ranges, ranges[1:], strict=False))
    assert [seed_range_name(seed) for seed in (0, 1_000_000, 2_000_000, 5_000_000, 10_000_000)] == [
        "evaluation",
        "camera",
        "synthesis",
        "unassigned",
        "training",
    ]
    with pytest.raises(ConfigError, match="got -1"):
        seed_range_name(-1)
