"""Motion blur and the released model, end to end: pixels that motion blurs must lose confidence.

Where the lens blurs by less than the motion, motion reads as defocus and the depth is wrong; those pixels count here.
The networks have seen motion: 4 px hardly change the depth any more, and need not change the confidence; 6 px do, 8 px
much. Where the lens blurs more, motion hardly changes the picture, nor the depth.
"""

import numpy as np
import pytest

from defocus_depth.inference import load_estimator
from defocus_depth.simulation.lens_sampling import RayBudget, render_depth
from defocus_depth.simulation.rendering import coc_map, render_linear
from defocus_depth.simulation.rigs import ROBOT
from defocus_depth.simulation.scenes import make_scene
from defocus_depth.simulation.sensor import SensorOptions, expose
from defocus_training.data.augment import motion_blur

LENGTHS_PX = (0.0, 4.0, 6.0, 8.0)
SCENES = (0, 5, 7, 8, 9, 11)
LEAST_PIXELS = 1000
SHARP_PX = 5.0


@pytest.fixture(scope="module")
def figures():
    """Mean confidence and share within 1.25 of the truth, over pixels of little defocus: (scenes, lengths, 2)."""
    with load_estimator() as estimator:
        return np.array([_of_scene(estimator, seed) for seed in SCENES])


def _of_scene(estimator, seed):
    scene = make_scene(ROBOT, seed)
    linear = render_linear(scene, ROBOT, ROBOT.near_focus_m, RayBudget(16))
    depth_m = render_depth(scene.tables(), ROBOT.camera)
    sharp = coc_map(depth_m, ROBOT, ROBOT.near_focus_m) < SHARP_PX
    assert sharp.sum() > LEAST_PIXELS
    rows = []
    for length_px in LENGTHS_PX:
        image = expose(motion_blur(linear, length_px, 0.5), SensorOptions(), seed)
        estimate = estimator.estimate(image, ROBOT.lens, ROBOT.near_focus_m)
        ratio = np.maximum(estimate.depth_m / depth_m, depth_m / estimate.depth_m)
        rows.append((estimate.confidence[sharp].mean(), (ratio[sharp] < 1.25).mean()))
    return rows


def test_longer_motion_makes_the_depth_wrong_where_the_lens_is_sharp_four_px_hardly(figures):
    still, short, longer, longest = figures[..., 1].mean(0)
    assert longest < still - 0.15 and longest < longer < still - 0.03, figures[..., 1].mean(0)
    assert short > still - 0.05, figures[..., 1].mean(0)


def test_pixels_that_motion_makes_wrong_lose_confidence(figures):
    still, short, longer, longest = figures[..., 0].mean(0)
    assert longest < longer - 0.05 and longer < min(still, short), figures[..., 0].mean(0)
    assert short < still, figures[..., 0].mean(0)


def test_confidence_follows_how_often_the_moved_pixels_are_right(figures):
    confidence, right = figures.mean(0).T
    assert abs(confidence[-1] - right[-1]) < 0.08 and (confidence[1:-1] < right[1:-1] + 0.05).all(), (confidence, right)
