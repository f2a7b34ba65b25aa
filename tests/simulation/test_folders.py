import numpy as np
import pytest

from defocus_depth.errors import StackError
from defocus_depth.simulation.folders import StackRecipe, write_scene_stack
from defocus_depth.simulation.lens_sampling import render_depth
from defocus_depth.simulation.rendering import RenderOptions
from defocus_depth.simulation.rigs import ROBOT
from defocus_depth.simulation.scenes import make_scene
from defocus_depth.stacks import load_ground_truth, load_image, read_stack

SMALL = ROBOT.at_size(64, 48)
OPTIONS = RenderOptions(samples_per_pixel=4)


def test_what_is_written_reads_back_as_the_rigs_stack(tmp_path):
    written = write_scene_stack(tmp_path, StackRecipe(SMALL, options=OPTIONS), 3)
    stack = read_stack(tmp_path / "robot_00000003")
    assert stack == written
    assert [frame.focus_distance_m for frame in stack.frames] == list(ROBOT.sweep_m)
    assert (stack.lens, stack.camera) == (SMALL.lens, SMALL.camera)
    assert (stack.source["seed"], stack.source["seed_range"]) == (3, "evaluation")
    np.testing.assert_array_equal(load_ground_truth(stack), render_depth(make_scene(SMALL, 3).tables(), SMALL.camera))
    near, far = load_image(stack, 0), load_image(stack, 3)
    assert near.shape == (48, 64, 3) and not np.array_equal(near, far)


def test_focus_distances_come_nearest_first_and_infinity_is_allowed(tmp_path):
    recipe = StackRecipe(SMALL, (float("inf"), 0.5), options=OPTIONS)
    stack = read_stack(write_scene_stack(tmp_path, recipe, 0).path)
    assert [frame.focus_distance_m for frame in stack.frames] == [0.5, float("inf")]


def test_a_finished_stack_is_not_overwritten(tmp_path):
    recipe = StackRecipe(SMALL, (0.5,), options=OPTIONS)
    write_scene_stack(tmp_path, recipe, 1)
    with pytest.raises(StackError, match="robot_00000001: expected a folder without a stack"):
        write_scene_stack(tmp_path, recipe, 1)
