"""The working size: which one is chosen, and that images and maps register through it."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defocus_depth.errors import ConfigError, ImageError
from defocus_depth.inference import WorkingGeometry, choose_geometry
from defocus_depth.inference.working_size import blur_span_px
from defocus_depth.optics import coc_from_inverse_depth

SIZES = ((256, 320), (128, 160), (192, 256), (320, 416), (384, 512), (480, 640))
ROBOT_PX_PER_DPT_AT_640 = 0.008**2 / (1.4 * 3e-6)


def robot_span_px(width: int) -> float:
    return blur_span_px(ROBOT_PX_PER_DPT_AT_640 * width / 640, 0.35, 10.0)


def blob(height: int, width: int, centre: tuple[float, float], sigma_px: float) -> np.ndarray:
    """A Gaussian spot whose centre (x, y) is known to a fraction of a pixel (pixel centres at integers)."""
    y, x = np.mgrid[:height, :width]
    return np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * sigma_px**2)).astype(np.float32)


def centroid(image: np.ndarray) -> tuple[float, float]:
    weights = image.astype(np.float64) / image.astype(np.float64).sum()
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return float((weights * x).sum()), float((weights * y).sum())


def test_robot_rig_works_at_320x256():
    geometry = choose_geometry((480, 640), robot_span_px(640), SIZES, 20.0)
    assert (geometry.scaled_width, geometry.scaled_height) == (320, 240)
    assert (geometry.width, geometry.height) == (320, 256)
    assert geometry.pad == (16, 0)
    assert geometry.scale == 0.5


@pytest.mark.parametrize(("height", "width"), [(240, 320), (480, 640), (960, 1280)])
def test_one_camera_works_at_one_size_whatever_it_delivers(height: int, width: int):
    geometry = choose_geometry((height, width), robot_span_px(width), SIZES, 20.0)
    assert (geometry.width, geometry.height) == (320, 256)


@settings(deadline=None)
@given(
    height=st.integers(1, 3000),
    width=st.integers(1, 3000),
    span_px=st.floats(0.01, 1000),
    max_coc_px=st.floats(5, 40),
)
def test_geometry_holds_the_image_isotropically_and_never_enlarges_it(
    height: int, width: int, span_px: float, max_coc_px: float
):
    geometry = choose_geometry((height, width), span_px, SIZES, max_coc_px)
    assert min(geometry.pad) >= 0
    assert tuple(sorted((geometry.height, geometry.width))) in SIZES
    assert geometry.scaled_height <= height and geometry.scaled_width <= width
    scale = min(geometry.height / height, geometry.width / width, 1.0)
    assert abs(geometry.scaled_width - width * scale) <= 1
    assert abs(geometry.scaled_height - height * scale) <= 1


@settings(deadline=None)
@given(span_px=st.floats(1, 400))
def test_the_chosen_size_is_the_nearest_by_ratio(span_px: float):
    chosen = choose_geometry((480, 640), span_px, SIZES, 20.0)
    distances = [
        abs(math.log(span_px * choose_geometry((480, 640), span_px, [size], 20.0).scale / 20.0)) for size in SIZES
    ]
    assert abs(math.log(span_px * chosen.scale / 20.0)) == pytest.approx(min(distances), abs=1e-5)


@pytest.mark.parametrize(("max_coc_px", "expected_width"), [(40.0, 320), (24.0, 320), (20.0, 320), (10.0, 160)])
def test_blur_never_spans_more_than_the_model_was_trained_on(max_coc_px: float, expected_width: int):
    assert choose_geometry((480, 640), robot_span_px(640), SIZES, max_coc_px).width == expected_width


def test_equal_scales_take_the_smaller_size():
    sizes = ((256, 320), (192, 320))
    assert choose_geometry((720, 1280), 80.0, sizes, 20.0).height == 192


def test_portrait_images_use_the_sizes_on_end():
    geometry = choose_geometry((640, 480), robot_span_px(640), SIZES, 20.0)
    assert (geometry.height, geometry.width) == (320, 256)
    assert geometry.scale == 0.5


def test_blur_span_is_the_largest_coc_for_any_focus_in_the_range():
    gain, near_m, far_m = 10.0, 0.4, 3.0
    inverse_depths = np.linspace(1 / far_m, 1 / near_m, 50)
    largest = max(np.abs(coc_from_inverse_depth(inverse_depths, gain, focus)).max() for focus in inverse_depths)
    assert blur_span_px(gain, near_m, far_m) == pytest.approx(largest)
    assert blur_span_px(gain, near_m, math.inf) == pytest.approx(25.0)


@pytest.mark.parametrize(("near_m", "far_m"), [(0, 1), (2, 1), (1, 1), (-1, 1), (math.nan, 1), (0.3, math.nan)])
def test_depth_range_is_checked(near_m: float, far_m: float):
    with pytest.raises(ConfigError, match="expected 0 < depth_min_m < depth_max_m"):
        blur_span_px(1.0, near_m, far_m)


def test_images_without_pixels_are_refused():
    with pytest.raises(ImageError, match="got 640x0"):
        choose_geometry((0, 640), 20.0, SIZES, 20.0)


@pytest.mark.parametrize(("height", "width"), [(480, 640), (720, 1280), (427, 641), (1080, 1920), (256, 320)])
def test_maps_register_with_the_image(height: int, width: int):
    geometry = choose_geometry((height, width), robot_span_px(width), SIZES, 20.0)
    centre = (width * 0.37 + 0.21, height * 0.58 + 0.43)
    image = blob(height, width, centre, 14 / geometry.scale * 0.5)
    returned = geometry.to_input(geometry.to_working(image)[0, 0])
    assert returned.shape == image.shape
    assert centroid(returned) == pytest.approx(centre, abs=0.05)


@pytest.mark.parametrize(("height", "width"), [(480, 640), (427, 641), (1080, 1920)])
def test_working_image_follows_half_pixel_centres(height: int, width: int):
    geometry = choose_geometry((height, width), robot_span_px(width), SIZES, 20.0)
    centre = (width * 0.37 + 0.21, height * 0.58 + 0.43)
    planes = geometry.to_working(blob(height, width, centre, 7 / geometry.scale))
    inner = planes[0, 0, : geometry.scaled_height, : geometry.scaled_width]
    across, down = geometry.scaled_width / width, geometry.scaled_height / height
    expected = ((centre[0] + 0.5) * across - 0.5, (centre[1] + 0.5) * down - 0.5)
    assert centroid(inner) == pytest.approx(expected, abs=0.05 * geometry.scale)


def test_padding_reflects_at_the_right_and_bottom():
    geometry = WorkingGeometry(40, 50, 40, 50, 64, 64)
    image = np.random.default_rng(1).random((40, 50, 3), dtype=np.float32)
    planes = geometry.to_working(image)
    expected = np.pad(image, ((0, 24), (0, 14), (0, 0)), mode="reflect").transpose(2, 0, 1)[None]
    np.testing.assert_array_equal(planes, expected)
    assert planes.flags.c_contiguous


def test_tiny_images_are_reflected_repeatedly():
    geometry = choose_geometry((1, 3), 1.0, SIZES, 20.0)
    planes = geometry.to_working(np.ones((1, 3), np.float32))
    np.testing.assert_array_equal(planes, 1.0)


def test_grey_fills_every_channel():
    geometry = WorkingGeometry(64, 64, 32, 32, 32, 32)
    grey = np.random.default_rng(2).random((64, 64), dtype=np.float32)
    planes = geometry.to_working(grey)
    plain = grey.reshape(32, 2, 32, 2).mean((1, 3))
    np.testing.assert_allclose(planes[0], np.stack([plain] * 3), rtol=1e-6)


def test_scaling_down_averages_areas_and_keeps_channels_apart():
    geometry = WorkingGeometry(96, 128, 32, 43, 32, 64)
    image = np.random.default_rng(3).random((96, 128, 3), dtype=np.float32)
    planes = geometry.to_working(image)
    for channel in range(3):
        plain = cv2.resize(image[..., channel].copy(), (43, 32), interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(planes[0, channel, :, :43], plain, rtol=1e-5)


def test_maps_are_copies_even_where_nothing_is_resized():
    geometry = WorkingGeometry(32, 64, 32, 64, 32, 64)
    working_map = np.zeros((32, 64), np.float32)
    returned = geometry.to_input(working_map)
    working_map += 1
    assert returned.max() == 0
