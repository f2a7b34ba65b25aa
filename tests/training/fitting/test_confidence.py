"""Confidence against draws from the distribution that it is about."""

import numpy as np
import pytest

from defocus_training.fitting.confidence import confidence, relative_confidence


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
