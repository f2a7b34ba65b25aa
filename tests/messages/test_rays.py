"""Rays back to the pixels that they came from."""

from __future__ import annotations

import numpy as np
import pytest

from defocus_depth.errors import ImageError
from defocus_depth.messages.camera_info import CameraModel
from defocus_depth.messages.rays import pixels_of_rays, ray_table
from defocus_depth.types import CameraIntrinsics

WIDTH, HEIGHT = 64, 48


@pytest.mark.parametrize(
    ("distortion", "model"),
    [
        ((), "plumb_bob"),
        ((-0.35, 0.12, 1e-3, -5e-4, 0.01), "plumb_bob"),
        ((0.3, -0.1, 1e-3, 2e-3, 0.02, 0.5, -0.05, 0.01), "rational_polynomial"),
        ((0.05, -0.02, 0.01, -0.003), "equidistant"),
    ],
)
def test_is_the_inverse_of_the_ray_table(distortion: tuple[float, ...], model: str) -> None:
    camera = CameraModel(CameraIntrinsics(WIDTH, HEIGHT, 60, 58, 31, 25, distortion), model)
    pixels = pixels_of_rays(camera, ray_table(camera).reshape(-1, 2)).reshape(HEIGHT, WIDTH, 2)
    np.testing.assert_allclose(pixels, np.stack(np.meshgrid(range(WIDTH), range(HEIGHT)), axis=-1), atol=2e-3)


def test_an_unknown_distortion_model_is_refused() -> None:
    camera = CameraModel(CameraIntrinsics(WIDTH, HEIGHT, 60, 58, 31, 25, (0.1,) * 5), "thin_prism")
    with pytest.raises(ImageError, match="distortion_model: expected one of plumb_bob.*, got 'thin_prism'"):
        pixels_of_rays(camera, np.zeros((1, 2)))
