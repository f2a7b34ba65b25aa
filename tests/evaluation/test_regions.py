from __future__ import annotations

import numpy as np
import pytest

from defocus_depth.evaluation.regions import depth_edges, luminance_u8, texture_levels


def test_luminance_of_every_type() -> None:
    mono = np.array([[0, 51, 255]], np.uint8)
    np.testing.assert_array_equal(luminance_u8(mono), mono)
    np.testing.assert_array_equal(luminance_u8(mono.astype(np.uint16) * 257), mono)
    np.testing.assert_array_equal(luminance_u8(np.repeat(mono[..., None], 3, 2)), mono)
    green = np.zeros((1, 1, 3), np.uint8)
    green[..., 1] = 255
    assert luminance_u8(green)[0, 0] == pytest.approx(0.587 * 255, abs=1)  # RGB, not BGR order


@pytest.mark.parametrize("width", [160, 640])
def test_levels_of_texture(width: int) -> None:
    """Three bands of stripes whose standard deviations are 0, 5 and 25 of 255."""
    grey = np.full((30, width), 128, np.uint8)
    third = width // 3
    for band, deviation in enumerate((0, 5, 25)):
        grey[:, band * third : (band + 1) * third] = 128 + deviation * (1 - 2 * (np.arange(third) % 2))
    levels = texture_levels(grey)
    for band in range(3):
        inner = levels[:, band * third + width // 20 : (band + 1) * third - width // 20]
        assert np.all(inner == band)


def test_brightness_alone_is_no_texture() -> None:
    for level in (0, 77, 255):
        assert not texture_levels(np.full((40, 80), level, np.uint8)).any()


def test_edges_lie_at_jumps_and_only_there() -> None:
    truth_m = np.full((40, 160), 1.0, np.float32)
    truth_m[:, 80:] = 1.2
    edges = depth_edges(truth_m)
    assert set(np.flatnonzero(edges.any(axis=0))) == set(range(78, 82))  # 1 px each side, dilated by 3 px
    np.testing.assert_array_equal(depth_edges(truth_m.T.copy()).any(axis=1).sum(), 4)


def test_slopes_and_holes_are_no_edges() -> None:
    slope_m = np.tile(np.linspace(1, 4, 160, dtype=np.float32), (40, 1))
    assert not depth_edges(slope_m).any()
    slope_m[10:20, 40:90] = np.nan
    slope_m[30, 5] = np.inf
    slope_m[31, 9] = 0
    assert not depth_edges(slope_m).any()


def test_the_band_grows_with_the_resolution() -> None:
    truth_m = np.full((10, 640), 1.0, np.float32)
    truth_m[:, 320:] = 2.0
    assert depth_edges(truth_m)[0].sum() == 2 + 8  # 9 px wide dilation
