"""The chart: printed size, found in pictures, poses and intrinsics from it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.types import CameraIntrinsics
from defocus_training.calibration.chart import Chart, write_chart
from defocus_training.calibration.intrinsics import calibrate_camera, chart_pose, find_chart

CHART = Chart()
CAMERA = CameraIntrinsics(640, 480, 700.0, 705.0, 322.0, 236.0, (-0.12, 0.05, 0.001, -0.001, 0.0))
PIXELS_PER_M = 3000.0


@pytest.fixture(scope="module")
def page() -> np.ndarray:
    return CHART.page(PIXELS_PER_M)


def view(page: np.ndarray, turn: tuple[float, float, float], place_m: tuple[float, float, float]) -> np.ndarray:
    """What the camera sees of the page, by tracing each pixel to the page (independent of OpenCV's projection)."""
    y, x = np.mgrid[: CAMERA.height, : CAMERA.width].astype(np.float64)
    ideal = undistorted((x - CAMERA.cx) / CAMERA.fx, (y - CAMERA.cy) / CAMERA.fy)
    rays = np.stack([*ideal, np.ones_like(x)], axis=-1)
    rotation = cv2.Rodrigues(np.array(turn))[0]
    place = np.array(place_m)
    depth = (place @ rotation[:, 2]) / (rays @ rotation[:, 2])
    on_board = (rays * depth[..., None] - place) @ rotation[:, :2]
    at = (on_board + CHART.margin_m) * PIXELS_PER_M - 0.5
    return cv2.remap(page, at[..., 0].astype(np.float32), at[..., 1].astype(np.float32), cv2.INTER_AREA, borderValue=90)


def undistorted(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fixed-point iteration of the plumb_bob model."""
    k1, k2, p1, p2, _ = CAMERA.distortion
    u, v = x.copy(), y.copy()
    for _ in range(12):
        r2 = u * u + v * v
        radial = 1 + k1 * r2 + k2 * r2 * r2
        u = (x - 2 * p1 * u * v - p2 * (r2 + 2 * u * u)) / radial
        v = (y - p1 * (r2 + 2 * v * v) - 2 * p2 * u * v) / radial
    return u, v


POSES = [
    ((0.3, 0.1, 0.0), (-0.12, -0.09, 0.42)),
    ((-0.35, 0.2, 0.1), (-0.14, -0.08, 0.45)),
    ((0.1, -0.4, -0.1), (-0.1, -0.11, 0.5)),
    ((0.05, 0.45, 0.2), (-0.16, -0.1, 0.38)),
    ((-0.2, -0.2, 0.6), (-0.02, -0.14, 0.5)),
    ((0.4, 0.3, -0.3), (-0.16, -0.04, 0.44)),
]


def test_intrinsics_are_recovered_from_views_of_the_chart(page: np.ndarray):
    views = [find_chart(view(page, *pose), CHART, "view") for pose in POSES]
    camera, error_px = calibrate_camera(views, (640, 480))
    assert error_px < 0.4
    assert (camera.fx, camera.fy) == pytest.approx((700.0, 705.0), rel=0.01)
    assert (camera.cx, camera.cy) == pytest.approx((322.0, 236.0), abs=6.0)
    with pytest.raises(ConfigError, match="expected at least 4 views of the chart, tilted differently, got 2"):
        calibrate_camera(views[:2], (640, 480))


@pytest.mark.parametrize("pose", POSES[:3])
def test_the_pose_tells_depth_at_every_point(page: np.ndarray, pose):
    seen = chart_pose(find_chart(view(page, *pose), CHART, "view"), CAMERA)
    assert seen.error_px < 0.5
    assert seen.translation_m == pytest.approx(np.array(pose[1]), rel=0.01, abs=0.002)
    rotation, place = cv2.Rodrigues(np.array(pose[0]))[0], np.array(pose[1])
    points_m = np.array([(0.02, 0.03), (0.1, 0.15), (0.25, 0.1)])
    camera_m = points_m @ rotation[:, :2].T + place
    pixels, _ = cv2.projectPoints(camera_m, np.zeros(3), np.zeros(3), matrix(), np.array(CAMERA.distortion))
    told = seen.inverse_depth_dpt(CHART, CAMERA, np.asarray(pixels.reshape(-1, 2), np.float64))
    assert told == pytest.approx(1 / camera_m[:, 2], rel=0.005)
    assert np.isnan(seen.inverse_depth_dpt(CHART, CAMERA, np.array([[2.0, 2.0]]))).all()


def matrix() -> np.ndarray:
    return np.array([[CAMERA.fx, 0, CAMERA.cx], [0, CAMERA.fy, CAMERA.cy], [0, 0, 1]])


def test_a_measured_square_scales_everything():
    printed = Chart(square_m=CHART.designed_square_m * 0.97)
    assert printed.printed_area_m()[2] == pytest.approx(CHART.printed_area_m()[2] * 0.97)
    assert printed.board().getSquareLength() == pytest.approx(CHART.designed_square_m * 0.97)


def test_a_picture_without_the_chart_is_refused():
    with pytest.raises(ConfigError, match="scene_003: expected at least 8 corners .*, got 0"):
        find_chart(np.full((100, 100, 3), 30000, np.uint16), CHART, "scene_003")


def test_the_pdf_has_the_size_of_the_paper(tmp_path: Path):
    write_chart(tmp_path / "chart.pdf", Chart("A3"))
    content = (tmp_path / "chart.pdf").read_bytes()
    box = content[content.index(b"/MediaBox") :][:60].split(b"[")[1].split(b"]")[0].split()
    points = [float(number) for number in box[2:]]
    assert points == pytest.approx([0.420 / 0.0254 * 72, 0.297 / 0.0254 * 72], abs=0.5)
    with pytest.raises(ConfigError, match="expected a writable file"):
        write_chart(tmp_path / "chart.pdf" / "inside.pdf", Chart())
