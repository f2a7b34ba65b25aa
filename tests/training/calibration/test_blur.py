"""Measured blur against blur that was made in space, by a disc counted on a fine grid."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from defocus_training.calibration.blur import SharpPicture, Tiles, ladder_sizes
from defocus_training.calibration.psf import gaussian_transfer
from defocus_training.capture.texture import dead_leaves

FINE = 4
TILES = Tiles(3, 2, 14)


def picture(diameter_px: float, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """A target blurred on a grid four times as fine, then averaged into pixels; (120, 160)."""
    scene = cv2.resize(dead_leaves(512, seed=3), (640, 480), interpolation=cv2.INTER_AREA)
    side = int(diameter_px * FINE) // 2 * 2 + 5
    at = np.arange(side) - side // 2
    distance = np.hypot(at[:, None], at[None])
    kernel = np.clip(diameter_px * FINE / 2 - distance + 0.5, 0, 1)
    blurred = cv2.filter2D(scene, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)
    pixels = cv2.resize(blurred, (160, 120), interpolation=cv2.INTER_AREA)
    return (pixels + noise * np.random.default_rng(seed).standard_normal(pixels.shape)).astype(np.float32)


@pytest.mark.parametrize("diameter_px", [1.6, 3.3, 7.0, 14.0])
def test_diameters_are_found_in_every_tile(diameter_px: float):
    found = SharpPicture(picture(0.1), 20.0, TILES).measure(picture(diameter_px, 0.002, 1))
    assert found.size_px.shape == (2, 3)
    assert found.size_px == pytest.approx(np.full((2, 3), diameter_px), rel=0.03, abs=0.13)
    assert np.all(found.residual < 0.45)


def test_the_blur_of_the_sharper_picture_itself_does_not_bias():
    sharp, blurred = picture(1.5), picture(3.0)
    ignored = np.median(SharpPicture(sharp, 12.0, TILES).measure(blurred).size_px)
    told = np.median(SharpPicture(sharp, 12.0, TILES, 1.5).measure(blurred).size_px)
    assert ignored < 2.75 and told == pytest.approx(3.0, rel=0.02)


def test_noise_does_not_bias():
    rough = SharpPicture(picture(0.1, 0.01, 1), 16.0, TILES).measure(picture(8.0, 0.01, 2))
    assert np.median(rough.size_px) == pytest.approx(8.0, rel=0.02)


def test_a_disc_is_told_from_a_gaussian():
    sharp = SharpPicture(picture(0.1), 16.0, TILES)
    disc = picture(8.0)
    as_disc, as_gaussian = sharp.measure(disc), sharp.measure(disc, gaussian_transfer)
    assert np.median(as_disc.residual) < 0.5 * np.median(as_gaussian.residual)
    assert 0.24 < np.median(as_gaussian.size_px) / 8.0 < 0.29
    smooth = np.asarray(cv2.GaussianBlur(picture(0.1), (0, 0), 2.0), np.float32)
    assert np.median(sharp.measure(smooth).residual) > np.median(sharp.measure(smooth, gaussian_transfer).residual)


def test_plain_tiles_and_blur_beyond_the_ladder_are_not_told():
    sharp = picture(0.1)
    sharp[:, :70] = 0.4
    found = SharpPicture(sharp, 20.0, TILES).measure(np.asarray(cv2.blur(sharp, (3, 3)), np.float32))
    assert np.isnan(found.size_px[:, 0]).all() and np.isfinite(found.size_px[:, 2]).all()
    assert np.isnan(SharpPicture(picture(0.1), 5.0, TILES).measure(picture(13.0)).size_px).all()


def test_the_ladder_reaches_the_largest_blur():
    sizes = ladder_sizes(20.0)
    assert sizes[0] == 0.0 and sizes[-2] < 20.0 <= sizes[-1] and sizes == sorted(sizes)
