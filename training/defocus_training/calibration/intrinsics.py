"""Intrinsics and chart poses from ChArUco corners, by OpenCV (Zhang, PAMI 22(11), 2000)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from defocus_depth.errors import ConfigError
from defocus_depth.types import CameraIntrinsics, ImageArray

from .chart import Chart

_LEAST_CORNERS, _LEAST_VIEWS = 8, 4
Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ChartView:
    """Corners of the board in one picture: (C, 3) m on the board, (C, 2) px in the picture."""

    object_m: npt.NDArray[np.float32]
    image_px: npt.NDArray[np.float32]


@dataclass(frozen=True)
class ChartPose:
    """Where the chart is: a point p of the board lies at rotation @ p + translation in the camera's frame.

    Attributes:
        error_px: root mean square distance of the corners from where the pose puts them.
    """

    rotation: Points
    translation_m: Points
    error_px: float

    def inverse_depth_dpt(self, chart: Chart, camera: CameraIntrinsics, points_px: Points) -> Points:
        """1/z of the chart at points (…, 2) px of the picture; NaN outside what is printed."""
        matrix, distortion = _matrices(camera)
        flat = np.ascontiguousarray(points_px.reshape(-1, 1, 2), np.float64)
        slopes = cv2.undistortPoints(flat, matrix, distortion).reshape(*points_px.shape)
        rays = np.concatenate([slopes, np.ones((*slopes.shape[:-1], 1))], axis=-1)
        normal = self.rotation[:, 2]
        inverse_depth = rays @ normal / (normal @ self.translation_m)
        on_board = (rays / inverse_depth[..., None] - self.translation_m) @ self.rotation[:, :2]
        corners = chart.printed_area_m()
        inside = np.all((on_board >= corners[0]) & (on_board <= corners[2]), axis=-1) & (inverse_depth > 0)
        return np.where(inside, inverse_depth, np.nan)


def find_chart(image: ImageArray, chart: Chart, name: str) -> ChartView:
    """The board's corners in a sharp picture, RGB or mono, uint8 or uint16.

    Raises:
        ConfigError: not enough of the board is seen.
    """
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    grey = grey if grey.dtype == np.uint8 else np.rint(grey / 257).astype(np.uint8)
    board = chart.board()
    corners, names, _, _ = cv2.aruco.CharucoDetector(board).detectBoard(grey)
    count = 0 if names is None else len(names)
    if count < _LEAST_CORNERS:
        raise ConfigError(
            f"{name}: expected at least {_LEAST_CORNERS} corners of the chart in the sharpest picture, got {count}"
        )
    on_board = np.asarray(board.getChessboardCorners(), np.float32)
    return ChartView(on_board[np.asarray(names, np.intp).ravel()], np.asarray(corners, np.float32).reshape(-1, 2))


def calibrate_camera(views: Sequence[ChartView], size: tuple[int, int]) -> tuple[CameraIntrinsics, float]:
    """Intrinsics (with plumb_bob distortion) and the root mean square reprojection error, px.

    Raises:
        ConfigError: too few views.
    """
    if len(views) < _LEAST_VIEWS:
        raise ConfigError(
            f"intrinsics: expected at least {_LEAST_VIEWS} views of the chart, tilted differently, got {len(views)}"
        )
    objects, images = [view.object_m for view in views], [view.image_px for view in views]
    error_px, matrix, distortion, *_ = cv2.calibrateCamera(objects, images, size, None, None, flags=cv2.CALIB_FIX_K3)  # type: ignore[call-overload]
    fx, fy, cx, cy = (float(matrix[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2)))
    camera = CameraIntrinsics(*size, fx, fy, cx, cy, tuple(map(float, distortion.ravel()[:5])))
    return camera, float(error_px)


def chart_pose(view: ChartView, camera: CameraIntrinsics) -> ChartPose:
    """Pose of the chart in one picture.

    Raises:
        ConfigError: the corners fit no pose.
    """
    matrix, distortion = _matrices(camera)
    done, turn, translation = cv2.solvePnP(view.object_m, view.image_px, matrix, distortion, flags=cv2.SOLVEPNP_IPPE)
    if not done:
        raise ConfigError("chart: expected corners that fit a pose, found none")
    turn, translation = cv2.solvePnPRefineLM(view.object_m, view.image_px, matrix, distortion, turn, translation)
    projected, _ = cv2.projectPoints(view.object_m, turn, translation, matrix, distortion)
    error_px = float(np.sqrt(np.mean(np.sum((projected.reshape(-1, 2) - view.image_px) ** 2, axis=1))))
    return ChartPose(
        np.asarray(cv2.Rodrigues(turn)[0], np.float64), np.asarray(translation, np.float64).ravel(), error_px
    )


def _matrices(camera: CameraIntrinsics) -> tuple[Points, Points]:
    matrix = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1.0]])
    return matrix, np.array(camera.distortion or (0.0,) * 5)
