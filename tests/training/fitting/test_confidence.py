"""Confidence against draws from the distribution that it is about."""

import numpy as np
import pytest

from defocus_training.fitting.confidence import confidence, laplace_scale_dpt, relative_confidence
from defocus_training.fitting.cost_volume import cost_volume
from defocus_training.fitting.options import StartOptions
from defocus_training.fitting.start import hypotheses
from defocus_training.splatting.psf import DiscPsf

from .conftest import flat_views


@pytest.mark.parametrize("scale", [0.05, 0.3, 1.0])
def test_confidence_is_the_share_of_a_laplace_within_a_quarter(scale: float) -> None:
    estimate = 1.2
    truths = estimate + np.random.default_rng(0).laplace(0, scale, 200_000)
    positive = np.maximum(truths, 1e-9)
    within = (np.maximum(positive / estimate, estimate / positive) < 1.25).mean()
    found = confidence(np.full((1, 1), estimate, np.float32), np.full((1, 1), scale, np.float32))
    assert found[0, 0] == pytest.approx(within, abs=0.005)


def test_relative_confidence_is_the_share_within_a_tenth_of_the_sweep() -> None:
    errors = np.random.default_rng(0).laplace(0, 0.4, 200_000)
    found = relative_confidence(np.full((1, 1), 0.4, np.float32), 5.0)
    assert found[0, 0] == pytest.approx((np.abs(errors) < 0.5).mean(), abs=0.005)


def test_scale_grows_with_the_distance_of_the_evidence_and_beside_edges() -> None:
    views, fitted = flat_views(1.43), np.full((96, 96), 1.43, np.float32)
    volume = cost_volume(views, hypotheses(views, StartOptions()), DiscPsf(), 2.5)
    sure = laplace_scale_dpt(views, volume, fitted)[16:-16, 16:-16]
    off = laplace_scale_dpt(views, volume, fitted + 0.4)[16:-16, 16:-16]
    assert np.median(sure) < 0.03
    assert np.median(off) == pytest.approx(0.4 * 0.4 / np.sqrt(2), rel=0.1)
    fitted[:, 48:] += 0.4
    beside = laplace_scale_dpt(views, volume, fitted)[16:-16, 47]
    assert np.median(beside) > np.median(sure) + 0.03
