import cv2
import numpy as np
import pytest

from defocus_depth.simulation.lens_sampling import RayBudget, render_depth
from defocus_depth.simulation.rendering import render_linear
from defocus_depth.simulation.rigs import RIGS, ROBOT
from defocus_depth.simulation.scenes import make_scene
from defocus_depth.simulation.shapes import NO_TEXTURE, Pose, Shape


@pytest.mark.parametrize("rig", RIGS.values(), ids=RIGS)
def test_every_pixel_lies_within_the_rigs_range_and_scenes_fill_it(rig):
    small = rig.at_size(64, 48)
    depths = np.stack([render_depth(make_scene(small, seed).tables(), small.camera) for seed in range(8)])
    assert np.isfinite(depths).all()
    assert depths.min() >= rig.depth_min_m and depths.max() <= rig.depth_max_m
    share = np.log(depths / rig.depth_min_m) / np.log(rig.depth_max_m / rig.depth_min_m)
    counts = np.histogram(share, bins=4, range=(0, 1))[0] / share.size
    assert counts.min() > 0.07, counts


def test_scenes_are_fixed_by_their_seed():
    first, again, other = (make_scene(ROBOT, seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.tables().rows, again.tables().rows)
    np.testing.assert_array_equal(first.atlas, again.atlas)
    assert first.exposure == again.exposure != other.exposure


def test_scenes_hold_every_shape_and_textureless_things():
    primitives = [primitive for seed in range(6) for primitive in make_scene(ROBOT, seed).primitives]
    assert {primitive.shape for primitive in primitives} == set(Shape)
    plain = sum(primitive.surface.texture == NO_TEXTURE for primitive in primitives)
    assert 0.05 < plain / len(primitives) < 0.5
    assert min(p.half_size_m[0] / p.centre_m[2] for p in primitives if p.shape == Shape.ROD) < 3 / ROBOT.camera.fx


def test_a_scene_does_not_depend_on_the_pixel_grid():
    coarse, fine = make_scene(ROBOT, 5), make_scene(ROBOT.at_size(640, 480), 5)
    np.testing.assert_allclose(coarse.tables().rows, fine.tables().rows, rtol=1e-12)


def test_the_view_from_the_start_is_the_scene_itself():
    scene = make_scene(ROBOT, 2)
    same = scene.seen_from(Pose(np.eye(3), np.zeros(3)))
    np.testing.assert_array_equal(same.tables().rows, scene.tables().rows)


def test_photos_become_textures(tmp_path):
    flag = np.zeros((64, 64, 3), np.uint8)
    flag[:, :, 2] = 255
    assert cv2.imwrite(str(tmp_path / "red.png"), flag)
    atlas = make_scene(ROBOT, 1, [tmp_path / "red.png"]).atlas
    reds = [texture for texture in atlas if texture[:, 0].min() > 0.99 and texture[:, 1:].max() < 0.01]
    assert reds


def test_exposure_uses_the_sensors_range_without_burning_out():
    small = ROBOT.at_size(64, 48)
    for seed in range(4):
        signal = render_linear(make_scene(small, seed), small, 0.35, RayBudget(16))
        assert 0.03 < signal.mean() < 0.5
        assert (signal > 1).mean() < 0.05
