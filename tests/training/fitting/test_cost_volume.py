"""The cost of a depth hypothesis, on flat scenes blurred by known discs."""

import cv2
import numpy as np
import pytest
import torch

from defocus_training.fitting.cost_volume import best_hypotheses, cost_volume
from defocus_training.fitting.focus_gain import found_gain
from defocus_training.fitting.options import StartOptions
from defocus_training.fitting.start import hypotheses
from defocus_training.fitting.torch_cost_volume import gaussian_blur, torch_cost_volume
from defocus_training.splatting.psf import DiscPsf

from .conftest import flat_views


@pytest.mark.parametrize("inverse_depth", [0.75, 1.43, 2.2])
def test_the_least_cost_is_at_the_true_depth(inverse_depth: float) -> None:
    views = flat_views(inverse_depth)
    volume = cost_volume(views, hypotheses(views, StartOptions()), DiscPsf(), 2.5)
    found_px = best_hypotheses(volume, volume.cost)[16:-16, 16:-16] * 20
    assert abs(np.median(found_px) - inverse_depth * 20) < 0.3
    assert np.abs(found_px - inverse_depth * 20).mean() < 0.5


def test_at_the_true_depth_only_noise_is_left() -> None:
    views = flat_views(1.43)
    volume = cost_volume(views, np.array([1.23, 1.43, 1.63]), DiscPsf(), 2.5)
    below, at, above = np.median(volume.cost[:, 16:-16, 16:-16], axis=(1, 2))
    assert at < 1.5 * 5 / 2  # half a chi-square of five frames, and a share that the model does not explain
    assert min(below, above) > 3 * at


def test_pixels_outside_a_frame_do_not_count() -> None:
    views = flat_views(1.43)
    views.frames[2, :, :20] = 9.0
    views.valid[2, :, :30] = 0
    views.valid[:, :, 30:] = 1
    volume = cost_volume(views, np.array([1.0, 1.43, 1.9]), DiscPsf(), 2.5)
    assert (volume.cost.argmin(0)[16:-16, 50:-16] == 1).mean() > 0.95


def test_torch_computes_the_same_costs() -> None:
    views = flat_views(1.43)
    views.valid[1, :9] = 0
    inverse_depths = hypotheses(views, StartOptions())
    plain = cost_volume(views, inverse_depths, DiscPsf(), 2.5)
    fast = torch_cost_volume(views, inverse_depths, DiscPsf(), 2.5, torch.device("cpu"))
    assert len(inverse_depths) > 40 and plain.cost.max() > 100  # several batches; something to see
    np.testing.assert_allclose(fast.cost, plain.cost, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(fast.hypotheses_dpt, plain.hypotheses_dpt)


@pytest.mark.parametrize("sigma", [0.8, 2.0, 2.5])
def test_torch_pools_as_opencv_does(sigma: float) -> None:
    pictures = np.random.default_rng(0).random((2, 40, 50), np.float32)
    pooled = gaussian_blur(torch.from_numpy(pictures), sigma).numpy()
    for picture, got in zip(pictures, pooled, strict=True):
        np.testing.assert_allclose(got, cv2.GaussianBlur(picture, (0, 0), sigma), atol=1e-5)


def test_the_blur_gain_shows_in_the_pictures() -> None:
    assert found_gain(flat_views(1.43, gain=14.0), DiscPsf(), StartOptions()) == pytest.approx(14.0, rel=0.12)
