from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation import metrics
from defocus_depth.evaluation.metrics import FIGURE_NAMES, DepthMaps, is_depth
from defocus_depth.evaluation.pixel_table import (
    DISTANCE_EDGES_M,
    HISTOGRAM_BINS,
    PART_AXES,
    all_pixels,
    distance_bin_names,
    figures_from,
    frame_figures,
    kept_pixels,
    part_names,
    part_sums,
    scaled_figures,
    tabulate,
)

SHAPE = (6, 7)
DEPTHS = arrays(np.float64, SHAPE, elements=st.one_of(st.floats(0.1, 50), st.sampled_from([np.nan, np.inf, 0.0, -1.0])))
MASKS = arrays(np.bool_, SHAPE)


def plain_figures(predicted: DepthMaps, truth: DepthMaps, chosen: np.ndarray, asked: np.ndarray) -> dict[str, float]:
    """The definitions of `metrics`, one by one, over `chosen` pixels; `asked`: those that could have counted."""
    chosen = chosen & asked & is_depth(truth.depth_m) & is_depth(predicted.depth_m)
    pair = predicted.depth_m[chosen], truth.depth_m[chosen]
    figures = {name: figure(*pair) for name, figure in metrics.DEPTH_FIGURES.items()}
    figures["coc_mae_px"] = metrics.coc_mae_px(predicted.coc_px[chosen], truth.coc_px[chosen])
    known = (asked & is_depth(truth.depth_m)).sum()
    figures["valid_fraction"] = chosen.sum() / known if known else math.nan
    return figures


def coc(depth_m: np.ndarray) -> np.ndarray:
    return np.where(is_depth(depth_m), 8 * (2 - 1 / np.where(is_depth(depth_m), depth_m, 1)), np.nan)


@settings(deadline=None, max_examples=50)
@given(DEPTHS, DEPTHS, MASKS, arrays(np.uint8, SHAPE, elements=st.integers(0, 2)), MASKS)
def test_equals_the_plain_definitions_in_every_part(
    predicted_m: np.ndarray, truth_m: np.ndarray, keep: np.ndarray, texture: np.ndarray, edges: np.ndarray
) -> None:
    predicted, truth = DepthMaps(predicted_m, coc(predicted_m)), DepthMaps(truth_m, coc(truth_m))
    sums = tabulate(predicted, truth, keep, texture, edges.astype(np.uint8)).sums
    everywhere = np.ones(SHAPE, bool)
    with np.errstate(invalid="ignore"):
        distance = np.digitize(np.nan_to_num(truth_m, nan=-1, posinf=-1), DISTANCE_EDGES_M)
    expected = {
        "all": plain_figures(predicted, truth, everywhere, everywhere),
        "kept": plain_figures(predicted, truth, keep, everywhere),
    }
    assert figures_from(all_pixels(sums)) == pytest.approx(expected["all"], nan_ok=True)
    assert figures_from(kept_pixels(sums)) == pytest.approx(expected["kept"], nan_ok=True)
    for part, labels in {"distance_bins": distance, "texture": texture, "edges": edges}.items():
        for label, row in enumerate(part_sums(sums, part)):
            plain = plain_figures(predicted, truth, everywhere, labels == label)
            assert figures_from(row) == pytest.approx(plain, nan_ok=True), (part, label)


def test_float32_maps_agree_with_the_plain_definitions() -> None:
    rng = np.random.default_rng(1)
    truth_m = rng.uniform(0.2, 20, (120, 160)).astype(np.float32)
    predicted_m = (truth_m * np.exp(rng.normal(0, 0.4, truth_m.shape))).astype(np.float32)
    maps = DepthMaps(predicted_m, coc(predicted_m).astype(np.float32)), DepthMaps(truth_m, coc(truth_m))
    everywhere = np.ones(truth_m.shape, bool)
    wide = [DepthMaps(a.depth_m.astype(np.float64), a.coc_px.astype(np.float64)) for a in maps]
    assert frame_figures(*maps) == pytest.approx(plain_figures(wide[0], wide[1], everywhere, everywhere), rel=1e-5)


@settings(deadline=None, max_examples=50)
@given(DEPTHS, DEPTHS, st.floats(0.05, 20))
def test_scaling_afterwards_equals_scaling_before(predicted_m: np.ndarray, truth_m: np.ndarray, scale: float) -> None:
    predicted_m, truth_m = predicted_m.astype(np.float32), truth_m.astype(np.float32)
    table = tabulate(*_maps(predicted_m, truth_m))
    before = frame_figures(*_maps(predicted_m * np.float64(scale), truth_m.astype(np.float64)))
    after = scaled_figures(table, scale)
    assert math.isnan(after.pop("coc_mae_px"))
    assert after == pytest.approx({name: before[name] for name in after}, rel=1e-5, abs=1e-5, nan_ok=True)


def test_sums_of_frames_give_the_figures_of_all_their_pixels() -> None:
    rng = np.random.default_rng(2)
    truth_m, predicted_m = rng.uniform(0.3, 12, (2, 10, 8)), rng.uniform(0.3, 12, (2, 10, 8))
    pairs = zip(predicted_m, truth_m, strict=True)
    pooled = sum(part_sums(tabulate(*_maps(*pair)).sums, "distance_bins") for pair in pairs)
    together = part_sums(tabulate(*_maps(predicted_m.reshape(20, 8), truth_m.reshape(20, 8))).sums, "distance_bins")
    np.testing.assert_allclose(pooled, together)


def test_a_perfect_map_has_exactly_no_error() -> None:
    depth_m = np.linspace(0.1, 30, 77, dtype=np.float32).reshape(7, 11)
    figures = frame_figures(*_maps(depth_m, depth_m))
    ones = {"delta1", "delta2", "delta3", "valid_fraction"}
    assert figures == {name: (1.0 if name in ones else 0.0) for name in FIGURE_NAMES}


def test_names_of_the_parts() -> None:
    assert distance_bin_names()[:2] == ("0-0.5", "0.5-1") and distance_bin_names()[-1] == "10-inf"
    sums = tabulate(*_maps(np.ones((2, 2)), np.ones((2, 2)))).sums
    assert [len(part_names(part)) for part in PART_AXES] == list(sums.shape[:3])
    # the lower end of a bin belongs to it: 1 m is in 1-1.5
    assert part_sums(sums, "distance_bins")[distance_bin_names().index("1-1.5"), 0] == 4


def test_histogram_of_ratios() -> None:
    ratios = np.array([[1.001, 0.999, 2.001, 0.1, 100.0]])
    histogram = tabulate(*_maps(ratios, np.ones_like(ratios))).histogram
    middle = HISTOGRAM_BINS // 2 + 1
    expected = {0: 1, HISTOGRAM_BINS + 1: 1, middle: 1, middle - 1: 1, middle + HISTOGRAM_BINS // 4: 1}
    assert {int(place): int(histogram[place]) for place in np.flatnonzero(histogram)} == expected


def test_depths_that_have_truth_and_prediction() -> None:
    predicted, truth = np.array([[1.0, np.nan, 3.0]]), np.array([[2.0, 2.0, np.inf]])
    np.testing.assert_array_equal(tabulate(*_maps(predicted, truth)).depths_m, [[1.0], [2.0]])


def test_refuses_maps_of_different_sizes() -> None:
    small, large = np.ones((2, 2)), np.ones((2, 3))
    with pytest.raises(ConfigError, match=r"expected equal sizes, got \[\(2, 2\), \(2, 3\)\]"):
        tabulate(DepthMaps(small, small), DepthMaps(small, small), edges=large.astype(np.uint8))


def _maps(predicted_m: np.ndarray, truth_m: np.ndarray) -> tuple[DepthMaps, DepthMaps]:
    return DepthMaps(predicted_m, coc(predicted_m)), DepthMaps(truth_m, coc(truth_m))
