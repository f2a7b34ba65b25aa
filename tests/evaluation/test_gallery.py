from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from defocus_depth.evaluation.dataset import Sample
from defocus_depth.evaluation.gallery import EXTREMES, MAX_WIDTH_PX, SPREAD, Gallery, error_map
from defocus_depth.evaluation.methods import Prediction
from defocus_depth.evaluation.metrics import FIGURE_NAMES, DepthMaps
from defocus_depth.evaluation.results import FrameResult
from defocus_depth.types import LensParameters

LENS = LensParameters(blur_gain_px_per_dpt=8.0)


def gallery_of(errors: Sequence[float], shape: tuple[int, int] = (6, 8)) -> Gallery:
    gallery = Gallery()
    for index, error in enumerate(errors):
        depth_m = np.full(shape, 1.0, np.float32)
        sample = Sample(f"f{index}", "g", np.zeros((*shape, 3), np.uint8), LENS, 0.4, depth_m)
        figures = dict.fromkeys(FIGURE_NAMES, math.nan) | {"abs_rel": error}
        gallery.add(sample, Prediction(DepthMaps(depth_m, depth_m)), FrameResult(f"f{index}", "g", figures))
    return gallery


@pytest.mark.parametrize("count", [1, 2, 5, SPREAD])
def test_few_frames_are_all_kept(count: int) -> None:
    gallery = gallery_of([0.1 + 0.01 * index for index in range(count)])
    assert [frame.index for frame in gallery.frames()] == list(range(count))
    worst, best = gallery.extremes()
    assert not set(worst) & set(best) and worst[0] == count - 1
    assert (best[0] == 0) if count > 1 else best == []


def test_many_frames_keep_the_extremes_and_an_even_spread() -> None:
    errors = np.random.default_rng(0).permutation(3000) / 3000
    gallery = gallery_of(errors.tolist())
    order = np.argsort(errors)
    worst, best = gallery.extremes()
    assert best == order[:EXTREMES].tolist() and worst == order[::-1][:EXTREMES].tolist()
    kept = [frame.index for frame in gallery.frames()]
    assert kept == sorted(set(kept)) and SPREAD // 2 <= len(kept) <= SPREAD + 2 * EXTREMES
    spread = sorted(set(kept) - set(worst) - set(best))
    assert spread[0] == 0 and spread[-1] > 2700 and max(np.diff(spread)) <= 2 * 256


def test_frames_without_truth_are_no_extremes() -> None:
    gallery = gallery_of([math.nan, 0.2, math.nan, 0.1])
    assert gallery.extremes() == ([1], [3]) and len(gallery.frames()) == 4
    assert gallery_of([math.nan, math.nan]).extremes() == ([], [])


def test_pictures_are_reduced_and_unknown_stays_unknown() -> None:
    (frame,) = gallery_of([0.1], (300, 2 * MAX_WIDTH_PX)).frames()
    assert frame.image.shape == (150, MAX_WIDTH_PX, 3)
    assert {array.shape for array in frame.maps.values()} == {(150, MAX_WIDTH_PX)}
    error = error_map(np.array([1.0, np.nan, 3.0, 2.0]), np.array([2.0, 2.0, 0.0, 1.0]))
    np.testing.assert_array_equal(error, [0.5, np.nan, np.nan, 1.0])
