"""Point clouds against OpenCV's forward projection: each point must land on the pixel it came from."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="ROS message packages are not installed")

from std_msgs.msg import Header  # noqa: E402

from defocus_depth.errors import ImageError  # noqa: E402
from defocus_depth.messages.camera_info import CameraModel  # noqa: E402
from defocus_depth.messages.rays import ray_table  # noqa: E402
from defocus_depth.ros.messages.points import POINT_DTYPE, point_cloud  # noqa: E402
from defocus_depth.types import CameraIntrinsics  # noqa: E402

WIDTH, HEIGHT = 64, 48
MATRIX = np.array([[60.0, 0, 31], [0, 58.0, 25], [0, 0, 1]])
PLUMB_BOB = (-0.35, 0.12, 1e-3, -5e-4, 0.01)
RATIONAL = (0.3, -0.1, 1e-3, 2e-3, 0.02, 0.5, -0.05, 0.01)
EQUIDISTANT = (0.05, -0.02, 0.01, -0.003)


def camera(distortion: tuple[float, ...] = (), model: str = "plumb_bob") -> CameraModel:
    return CameraModel(CameraIntrinsics(WIDTH, HEIGHT, 60, 58, 31, 25, distortion), model)


def projected(rays: np.ndarray, distortion: tuple[float, ...], model: str) -> np.ndarray:
    points = np.dstack([rays, np.ones(rays.shape[:2])]).reshape(-1, 1, 3).astype(np.float64)
    project = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
    return project(points, np.zeros(3), np.zeros(3), MATRIX, np.array(distortion))[0].reshape(HEIGHT, WIDTH, 2)


@pytest.mark.parametrize(
    ("distortion", "model"),
    [
        (PLUMB_BOB, "plumb_bob"),
        (RATIONAL, "rational_polynomial"),
        (EQUIDISTANT, "equidistant"),
        ((0.0,) * 5, "plumb_bob"),
    ],
)
def test_rays_project_onto_the_pixels_they_came_from(distortion: tuple[float, ...], model: str) -> None:
    rays = ray_table(camera(distortion, model))
    pixels = np.stack(np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT)), axis=-1)
    np.testing.assert_allclose(projected(rays, distortion, model), pixels, atol=1e-3)


def test_rays_of_a_plain_pinhole() -> None:
    rays = ray_table(camera())
    np.testing.assert_allclose(rays[25, 31], (0, 0), atol=1e-7)
    np.testing.assert_allclose(rays[0, 0], (-31 / 60, -25 / 58), rtol=1e-6)


def test_an_unknown_distortion_model_is_refused() -> None:
    with pytest.raises(ImageError, match="distortion_model: expected one of plumb_bob.*, got 'thin_prism'"):
        ray_table(camera((0.1, 0, 0, 0, 0), "thin_prism"))
    with pytest.raises(ImageError, match="expected distortion that OpenCV undoes, got plumb_bob with 3 coefficients"):
        ray_table(camera((0.1, 0, 0)))


@pytest.mark.parametrize("kind", ["rgb8", "rgb16", "mono8"])
def test_the_cloud_is_organised_with_z_along_the_axis_and_the_image_as_colour(kind: str) -> None:
    rng = np.random.default_rng(1)
    depth = rng.uniform(0.3, 3, (HEIGHT, WIDTH)).astype(np.float32)
    depth[3, 4] = np.nan
    levels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    image = {"rgb8": levels, "rgb16": levels.astype(np.uint16) * 257, "mono8": levels[..., 0]}[kind]
    rays = ray_table(camera(PLUMB_BOB))
    cloud = point_cloud(Header(frame_id="optical"), depth, rays, image)
    assert (cloud.height, cloud.width, cloud.point_step, cloud.row_step) == (HEIGHT, WIDTH, 16, 16 * WIDTH)
    assert (cloud.header.frame_id, cloud.is_dense, cloud.is_bigendian) == ("optical", False, False)
    assert [(field.name, field.offset, field.datatype) for field in cloud.fields] == [
        ("x", 0, 7),
        ("y", 4, 7),
        ("z", 8, 7),
        ("rgb", 12, 7),
    ]
    points = np.frombuffer(cloud.data, POINT_DTYPE).reshape(HEIGHT, WIDTH)
    np.testing.assert_array_equal(points["z"], depth)
    np.testing.assert_allclose(points["x"], rays[..., 0] * depth, rtol=1e-6)
    assert np.isnan(points["x"][3, 4]) and np.isnan(points["y"][3, 4])
    blue_green_red = np.frombuffer(cloud.data, np.uint8).reshape(HEIGHT, WIDTH, 16)[..., 12:15]
    expected = np.dstack([levels[..., 0]] * 3) if kind == "mono8" else levels[..., ::-1]
    np.testing.assert_array_equal(blue_green_red, expected)
