"""Frames added up: the sparsification of all their pixels together, without keeping pixels or rankings."""

from __future__ import annotations

import json
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defocus_depth.evaluation.confidence import confidence_figures, ranked_curve, sparsification_curve
from defocus_depth.evaluation.metrics import FIGURE_NAMES
from defocus_depth.evaluation.results import FrameResult, JudgedFrames
from defocus_depth.evaluation.summary import summary

HALF = 10  # of the curve's 20 steps
RESOLUTION = 0.01  # relative: confidences within a step, 1 % of min(c, 1 - c), are not told apart


def frame(confidence: np.ndarray, errors: np.ndarray) -> FrameResult:
    """A frame of a scene 1 m away, judged where the prediction is off by `errors` (m)."""
    truth_m = np.ones(errors.shape, np.float32)
    figures = confidence_figures(confidence.astype(np.float32), (1 + errors).astype(np.float32), truth_m)
    return FrameResult("a/0", "a", dict.fromkeys(FIGURE_NAMES, 0.25), confidence=figures)


def drawn(seed: int, scale: float, pixels: int, grid: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Confidences, and errors that grow as they fall, times `scale`; `grid`: confidences are multiples of 1/grid."""
    rng = np.random.default_rng(seed)
    confidence = rng.beta(2, 1 + 4 * scale, pixels) if grid is None else rng.integers(0, grid + 1, pixels) / grid
    return confidence, scale * (1.1 - confidence) * rng.exponential(1.0, pixels)


def sparsification(*frames: FrameResult) -> dict:
    figures = summary("network", "all", JudgedFrames(frames))["sparsification"]
    json.dumps(figures, allow_nan=False)
    return figures


def test_pooled_curve_is_that_of_all_pixels_sorted_together() -> None:
    frames = [drawn(0, 0.05, 40_000), drawn(1, 0.4, 10_000), drawn(2, 1.5, 25_000)]
    confidence, errors = (np.concatenate(values) for values in zip(*frames, strict=True))
    expected = sparsification_curve(confidence, errors)
    figures = sparsification(*(frame(*pixels) for pixels in frames))
    np.testing.assert_allclose(figures["pooled_curve_abs_rel"], expected, rtol=RESOLUTION)
    assert figures["pooled_abs_rel"] == pytest.approx(errors.mean(), rel=1e-5)
    assert figures["pooled_confident_half_abs_rel"] == pytest.approx(expected[HALF], rel=RESOLUTION)
    assert figures["pooled_confident_half_ratio"] == pytest.approx(expected[HALF] / errors.mean(), rel=RESOLUTION)
    # frames count by their pixels, and the surest pixels are mostly those of the first
    assert figures["pooled_confident_half_abs_rel"] < 0.5 * figures["confident_half_abs_rel"]


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.sampled_from([0.01, 0.3, 2.0]), st.integers(1, 400)), min_size=1, max_size=5
    )
)
def test_confidences_with_a_step_of_their_own_are_ranked_exactly(drawings: list[tuple[int, float, int]]) -> None:
    frames = [drawn(*drawing, grid=16) for drawing in drawings]
    confidence, errors = (np.concatenate(values) for values in zip(*frames, strict=True))
    judged = JudgedFrames(frame(*pixels) for pixels in frames)
    np.testing.assert_allclose(
        ranked_curve(judged.ranks), sparsification_curve(confidence, errors), rtol=1e-4, atol=1e-6
    )


def test_one_frame_pools_to_itself() -> None:
    only = frame(*drawn(3, 0.3, 5000))
    assert only.confidence is not None
    assert sparsification(only)["pooled_curve_abs_rel"] == only.confidence.sparsification.tolist()


def test_a_good_frame_and_a_bad_one() -> None:
    """Within each frame confidence says nothing, between them everything; and once it is the wrong way round."""
    good, bad, boastful = (
        frame(np.full(100, sure), np.full(100, error)) for sure, error in ((0.9, 0.1), (0.2, 0.5), (0.95, 0.5))
    )
    told, misled = sparsification(good, bad), sparsification(good, boastful)
    for figures in (told, misled):
        assert figures["confident_half_abs_rel"] == pytest.approx(0.3) == pytest.approx(figures["pooled_abs_rel"])
    assert told["pooled_confident_half_abs_rel"] == pytest.approx(0.1)
    assert told["pooled_confident_half_ratio"] == pytest.approx(1 / 3)
    assert misled["pooled_confident_half_abs_rel"] == pytest.approx(0.5)


def test_pixels_without_confidence_and_frames_without_pixels_change_nothing() -> None:
    confidence, errors = np.repeat([0.9, 0.1], 50), np.repeat([0.1, 0.5], 50)
    blind = frame(np.concatenate([confidence, np.full(30, np.nan)]), np.concatenate([errors, np.full(30, 9.0)]))
    unlabelled = frame(np.full(40, 0.99), np.full(40, np.nan))
    without = FrameResult("b/0", "b", dict.fromkeys(FIGURE_NAMES, 0.25))
    figures = sparsification(blind, unlabelled, without)
    assert figures["pooled_abs_rel"] == pytest.approx(0.3)
    assert figures["pooled_confident_half_abs_rel"] == pytest.approx(0.1)


def test_nothing_to_pool() -> None:
    figures = sparsification(frame(np.full(4, np.nan), np.full(4, 0.1)))
    assert figures["pooled_curve_abs_rel"] == [None] * 20
    names = ("pooled_abs_rel", "pooled_confident_half_abs_rel", "pooled_confident_half_ratio")
    assert [figures[name] for name in names] == [None] * 3
    perfect = sparsification(frame(np.full(4, 0.9), np.zeros(4)))
    assert (perfect["pooled_abs_rel"], perfect["pooled_confident_half_ratio"]) == (0, None)
    without = FrameResult("b/0", "b", dict.fromkeys(FIGURE_NAMES, 0.25))
    assert summary("constant", "all", JudgedFrames([without]))["sparsification"] is None


def test_rankings_of_single_frames_are_let_go() -> None:
    result = frame(*drawn(4, 0.3, 500))
    assert result.confidence is not None
    ranks, figures = weakref.ref(result.confidence.ranks), result.confidence.sparsification
    judged = JudgedFrames([result])
    del result
    assert ranks() is None and judged.ranks[:, 0].sum() == 500
    (kept,) = judged.frames
    assert kept.confidence is not None and kept.confidence.sparsification is figures
