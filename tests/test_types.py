"""The value types refuse what no lens can be, and scale cameras as images are resized."""

import dataclasses
import math
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defocus_depth.errors import DefocusDepthError, OpticsError
from defocus_depth.types import CameraIntrinsics, LensParameters

GEOMETRY: dict[str, Any] = {"focal_length_m": 0.008, "f_number": 1.4, "pixel_pitch_m": 6e-6}


@pytest.mark.parametrize("name", [*GEOMETRY, "blur_gain_px_per_dpt", "image_width_px"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_lens_refuses_values_that_no_lens_has(name, value):
    with pytest.raises(OpticsError, match=f"lens {name}: expected a finite number > 0, got {value}"):
        LensParameters(**{**GEOMETRY, "blur_gain_px_per_dpt": 8.0, name: value})


@pytest.mark.parametrize("missing", GEOMETRY)
def test_lens_needs_all_of_the_geometry_or_the_gain(missing):
    parts: dict[str, Any] = {name: value for name, value in GEOMETRY.items() if name != missing}
    with pytest.raises(OpticsError, match=f"or blur_gain_px_per_dpt, got .*{missing}=None"):
        LensParameters(**parts)
    assert LensParameters(**parts, blur_gain_px_per_dpt=8.0).blur_gain_px_per_dpt == 8.0


def test_lens_refuses_offset_and_kappa_out_of_range():
    with pytest.raises(OpticsError, match="lens focus_offset_m: expected a finite number, got nan"):
        LensParameters(**GEOMETRY, focus_offset_m=math.nan)
    for kappa in (0.0, 1.0, math.nan):
        with pytest.raises(OpticsError, match=rf"lens psf_kappa: expected a number in \(0, 1\), got {kappa}"):
            LensParameters(**GEOMETRY, psf_kappa=kappa)


def test_lens_is_frozen_and_its_errors_are_ours():
    with pytest.raises(dataclasses.FrozenInstanceError):
        LensParameters(**GEOMETRY).f_number = 2.0  # type: ignore[misc]
    assert issubclass(OpticsError, DefocusDepthError) and issubclass(OpticsError, ValueError)


@given(st.integers(16, 2000), st.integers(16, 2000))
def test_scaling_a_camera_there_and_back(width, height):
    camera = CameraIntrinsics(640, 480, 600.0, 610.0, 319.5, 240.25, (0.1, -0.2))
    back = camera.scaled(width, height).scaled(640, 480)
    np.testing.assert_allclose(dataclasses.astuple(back)[:6], dataclasses.astuple(camera)[:6], rtol=1e-9)
    assert back.distortion == camera.distortion


def test_a_scaled_camera_sees_where_the_resized_image_shows():
    """A soft spot drawn at a 3D point's pixel is found, after cv2.resize, at the point's pixel in the scaled camera."""
    camera, point = CameraIntrinsics(640, 480, 600.0, 600.0, 319.5, 239.5), (0.31, -0.14)
    rows, columns = np.mgrid[:480, :640]
    column, row = camera.fx * point[0] + camera.cx, camera.fy * point[1] + camera.cy
    image = np.exp(-((columns - column) ** 2 + (rows - row) ** 2) / 200).astype(np.float32)
    small, smaller_camera = cv2.resize(image, (160, 240), interpolation=cv2.INTER_AREA), camera.scaled(160, 240)
    rows, columns = np.mgrid[:240, :160]
    seen = ((columns * small).sum() / small.sum(), (rows * small).sum() / small.sum())
    expected = (smaller_camera.fx * point[0] + smaller_camera.cx, smaller_camera.fy * point[1] + smaller_camera.cy)
    np.testing.assert_allclose(seen, expected, atol=1e-3)
