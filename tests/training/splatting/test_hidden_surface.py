"""What lies behind the rims of near objects: which pixels are repeated."""

import numpy as np

from defocus_training.splatting.hidden_surface import hidden_sources


def sources(depth_rank, reach_px, coc=None):
    rank = np.asarray(depth_rank, np.float32)
    coc = rank * 10 if coc is None else np.asarray(coc, np.float32)
    return hidden_sources(rank, coc, np.full(rank.shape, reach_px, np.float32))


def test_smooth_surfaces_hide_nothing():
    slope = np.linspace(0, 0.4, 12)[None].repeat(5, 0)
    assert (sources(slope, 3.0) == -1).all()


def test_the_near_side_of_a_step_repeats_the_far_rim_as_deep_as_light_reaches():
    step = np.array([[0, 0, 0, 1, 1, 1, 1, 1, 1]])
    assert sources(step, 3.0)[0].tolist() == [-1, -1, -1, 2, 2, 2, 2, -1, -1]
    assert sources(step, 0.0)[0].tolist() == [-1, -1, -1, 2, -1, -1, -1, -1, -1]


def test_the_nearest_surface_behind_wins_a_tie():
    three = np.array([[0, 2, 1]])
    assert sources(three, 3.0)[0].tolist() == [-1, 2, -1]


def test_a_step_in_depth_too_small_to_change_the_blur_is_no_rim():
    assert (sources([[0, 0, 1, 1]], 3.0, coc=[[0.0, 0.0, 0.4, 0.4]]) == -1).all()
