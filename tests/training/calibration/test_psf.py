"""Transfer functions against sampled point spread functions, and blurring against convolution in space."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from defocus_training.calibration.psf import BlurLadder, disc_transfer, frequencies, gaussian_transfer


def sampled_disc(diameter_px: float, side: int = 63, fine: int = 16) -> np.ndarray:
    """The disc averaged over each pixel, by counting points of a fine grid."""
    at = (np.arange(side * fine) + 0.5) / fine - side / 2
    inside = (np.hypot(at[:, None], at[None]) <= diameter_px / 2).astype(np.float64)
    kernel = inside.reshape(side, fine, side, fine).mean((1, 3))
    return kernel / kernel.sum()


@pytest.mark.parametrize("diameter_px", [2.5, 6.0, 11.3])
def test_the_disc_is_that_of_a_sampled_disc(diameter_px: float):
    side, fine = 24, 24
    at = (np.arange(side * fine) + 0.5) / fine - side / 2
    inside = (np.hypot(at[:, None], at[None]) <= diameter_px / 2).astype(np.float64)
    measured = np.abs(np.fft.rfft2(inside / inside.sum()))
    cycles_per_px = frequencies(inside.shape) * fine
    seen = cycles_per_px < 1.0
    assert np.abs(measured - np.abs(disc_transfer(cycles_per_px, diameter_px)))[seen].max() < 0.01


def test_no_blur_changes_nothing_and_the_mean_stays():
    frequency = frequencies((32, 40))
    assert np.allclose(disc_transfer(frequency, 0.0), 1.0) and np.allclose(gaussian_transfer(frequency, 0.0), 1.0)
    assert disc_transfer(frequency, 9.0)[0, 0] == pytest.approx(1.0)


def test_a_ladder_blurs_as_convolution_does():
    noise = np.random.default_rng(1).random((50, 70), np.float32)
    image = np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.0), np.float32)
    ladder = BlurLadder(image, 20)
    gaussian = cv2.GaussianBlur(image, (0, 0), 2.5, borderType=cv2.BORDER_REFLECT_101)
    assert np.abs(ladder.blurred(gaussian_transfer(ladder.frequency, 2.5)) - gaussian).max() < 2e-3
    disc = cv2.filter2D(image, -1, sampled_disc(6.0, 21), borderType=cv2.BORDER_REFLECT_101)
    assert np.abs(ladder.blurred(disc_transfer(ladder.frequency, 6.0)) - disc).max() < 0.01
