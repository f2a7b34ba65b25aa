"""Pixel values to unit floats: ranges, transfers, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defocus_depth.errors import ConfigError, ImageError
from defocus_depth.inference.pixels import check_image, to_unit_floats
from defocus_depth.optics import from_linear, to_linear
from defocus_depth.types import TRANSFERS, Transfer


@pytest.mark.parametrize("wanted", TRANSFERS)
@pytest.mark.parametrize("transfer", TRANSFERS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_table_equals_the_plain_formula(dtype: type, transfer: Transfer, wanted: Transfer):
    full = np.iinfo(dtype).max
    image = np.random.default_rng(0).integers(0, full, (9, 7, 3), dtype=dtype, endpoint=True)
    plain = from_linear(to_linear(image / full, transfer), wanted)
    converted = to_unit_floats(image, transfer, wanted)
    assert converted.dtype == np.float32
    np.testing.assert_allclose(converted, plain, atol=2e-6)


@settings(deadline=None)
@given(st.sampled_from(TRANSFERS), st.sampled_from(TRANSFERS))
def test_floats_and_integers_agree(transfer: Transfer, wanted: Transfer):
    image = np.arange(256, dtype=np.uint8).reshape(16, 16)
    floats = (image / 255).astype(np.float32)
    converted = to_unit_floats(floats, transfer, wanted)
    assert converted.dtype == np.float32
    np.testing.assert_allclose(converted, to_unit_floats(image, transfer, wanted), atol=3e-6)


def test_whole_range_maps_to_unit_range():
    for dtype in (np.uint8, np.uint16):
        ends = np.array([[0, np.iinfo(dtype).max]], dtype)
        np.testing.assert_array_equal(to_unit_floats(ends, "srgb", "linear"), [[0, 1]])


def test_views_are_taken_as_they_read():
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    swapped = image[::2, ::-1, ::-1]
    np.testing.assert_array_equal(to_unit_floats(swapped, "srgb", "srgb"), np.float32(swapped / 255))


def test_float_overshoot_of_resampling_is_clipped():
    image = np.array([[-0.0005, 1.0005]], np.float32)
    np.testing.assert_array_equal(to_unit_floats(image, "srgb", "srgb"), [[0, 1]])


@pytest.mark.parametrize("value", [np.nan, np.inf, 255.0, -0.1])
def test_floats_outside_the_unit_range_are_refused(value: float):
    image = np.full((4, 4), 0.5, np.float32)
    image[1, 2] = value
    with pytest.raises(ImageError, match=r"expected float32 in 0\.\.1, got"):
        to_unit_floats(image, "srgb", "srgb")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "expected a NumPy array, got NoneType"),
        (np.zeros((4, 4), np.float64), "expected uint8, uint16 or float32, got float64"),
        (np.zeros((4, 4), ">u2"), "expected uint8, uint16 or float32, got >u2"),
        (np.zeros((4, 4, 4), np.uint8), r"expected \(H, W, 3\) RGB or \(H, W\) mono, got \(4, 4, 4\)"),
        (np.zeros(4, np.uint8), r"got \(4,\)"),
        (np.zeros((0, 4, 3), np.uint8), r"expected at least 1x1 px, got \(0, 4, 3\)"),
    ],
)
def test_what_is_no_image_is_refused(image: object, message: str):
    with pytest.raises(ImageError, match=message):
        check_image(image)


def test_unknown_transfer_is_refused():
    with pytest.raises(ConfigError, match="expected one of srgb, linear, gamma, got 'log'"):
        to_unit_floats(np.zeros((2, 2), np.uint8), "log", "srgb")  # type: ignore[arg-type]
