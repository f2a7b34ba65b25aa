import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.simulation.rigs import MACRO, NYU, RIGS, ROBOT, find_rig
from defocus_depth.simulation.seeds import CAMERA_SEEDS, EVALUATION_SEEDS, TRAINING_SEEDS, seed_range_name


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
    with pytest.raises(ConfigError, match="expected one of robot, nyu, macro, got 'drone'"):
        find_rig("drone")


def test_nobody_shares_training_seeds():
    assert TRAINING_SEEDS.start == 10_000_000
    assert max(EVALUATION_SEEDS.stop, CAMERA_SEEDS.stop) <= TRAINING_SEEDS.start
    assert [seed_range_name(seed) for seed in (0, 1_000_000, 5_000_000, 10_000_000)] == [
        "evaluation",
        "camera",
        "unassigned",
        "training",
    ]
    with pytest.raises(ConfigError, match="got -1"):
        seed_range_name(-1)
