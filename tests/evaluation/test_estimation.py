from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.evaluation.estimation import ASSUMED_FOCUS_M, ASSUMED_LENS, KnownOptics, estimate_frame
from defocus_depth.evaluation.inputs import InputFrame
from defocus_depth.optics.lens_file import read_lens
from defocus_depth.types import LensParameters

IMAGE = np.zeros((6, 8, 3), np.uint8)
LENS, OTHER = LensParameters(blur_gain_px_per_dpt=3.0), LensParameters(blur_gain_px_per_dpt=5.0)
PLAIN = InputFrame("a", Path("a.png"), IMAGE)
FROM_STACK = dataclasses.replace(PLAIN, lens=OTHER, focus_distance_m=0.7, transfer="linear")


@pytest.mark.parametrize(
    ("frame", "known", "asked"),
    [
        (PLAIN, KnownOptics(LENS, 0.5, usual_focus_m=0.12), (LENS, 0.5, "srgb")),
        (PLAIN, KnownOptics(LENS, usual_focus_m=0.12), (LENS, 0.12, "srgb")),
        (FROM_STACK, KnownOptics(), (OTHER, 0.7, "linear")),
        (FROM_STACK, KnownOptics(LENS, 0.5), (OTHER, 0.7, "linear")),
        (dataclasses.replace(FROM_STACK, lens=None), KnownOptics(LENS), (LENS, 0.7, "linear")),
    ],
)
def test_metric_where_lens_and_focus_are_known_and_the_source_comes_first(
    fake_estimator, frame: InputFrame, known: KnownOptics, asked: tuple
) -> None:
    estimator = fake_estimator(1.4)
    estimate = estimate_frame(estimator, frame, known)
    assert estimate.metric and (estimate.depth_m == np.float32(1.4)).all()
    assert estimator.asked[0][1:] == asked


@pytest.mark.parametrize(
    ("frame", "known", "lens", "focus_m"),
    [
        (PLAIN, KnownOptics(), ASSUMED_LENS, ASSUMED_FOCUS_M),
        (PLAIN, KnownOptics(focus_distance_m=0.9), ASSUMED_LENS, ASSUMED_FOCUS_M),
        (PLAIN, KnownOptics(LENS), LENS, ASSUMED_FOCUS_M),
        (dataclasses.replace(PLAIN, focus_distance_m=math.nan), KnownOptics(LENS, usual_focus_m=0.12), LENS, 0.12),
        (dataclasses.replace(FROM_STACK, focus_distance_m=math.nan), KnownOptics(LENS, 0.5), OTHER, ASSUMED_FOCUS_M),
    ],
)
def test_relative_in_units_of_the_assumed_focus_otherwise(
    fake_estimator, frame: InputFrame, known: KnownOptics, lens: LensParameters, focus_m: float
) -> None:
    estimator = fake_estimator(focus_m * 2)
    estimate = estimate_frame(estimator, frame, known)
    assert not estimate.metric and estimator.asked[0][1:3] == (lens, focus_m)
    np.testing.assert_allclose(estimate.depth_m, 2.0, rtol=1e-6)
    np.testing.assert_allclose(estimate.inv_depth_scale_dpt, 0.1 * focus_m, rtol=1e-6)


def test_what_is_known_of_the_nearest_focus_is_told(fake_estimator) -> None:
    """The stack's own where its lens is the stack's, else that of the lens file."""
    estimator = fake_estimator(1.4)
    known, in_stack = KnownOptics(LENS, 0.5, usual_focus_m=0.12), dataclasses.replace(FROM_STACK, near_focus_m=0.2)
    for frame in (PLAIN, in_stack, FROM_STACK):
        estimate_frame(estimator, frame, known)
    assert estimator.told_near_m == [0.12, 0.2, None]


def test_the_assumed_lens_is_the_reference_lens() -> None:
    reference = read_lens(Path(__file__).parents[2] / "config" / "lenses" / "robot.yaml")
    assert (ASSUMED_LENS, ASSUMED_FOCUS_M) == (reference.lens, reference.near_focus_distance_m)
