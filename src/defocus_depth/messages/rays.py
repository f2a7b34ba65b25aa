"""Pixels ↔ viewing rays of a camera with lens distortion: a table of rays, and the way back.

Maps stay in the input image's (distorted) pixels; only the rays are undistorted, once per camera.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import ImageError
from ..types import FloatArray
from .camera_info import CameraModel

_PINHOLE_MODELS = ("plumb_bob", "rational_polynomial")
_FISHEYE_MODEL = "equidistant"
_ITERATIONS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-8)


def ray_table(camera: CameraModel) -> FloatArray:
    """Rays of all pixels, float32 (H, W, 2): x/z and y/z in the camera's optical frame (REP 103), undistorted.

    Raises:
        ImageError: a distortion model that OpenCV does not have, or a number of coefficients that is not its own.
    """
    lens = camera.intrinsics
    matrix = _matrix(camera)
    grid = np.stack(np.meshgrid(np.arange(lens.width), np.arange(lens.height)), axis=-1)
    pixels = grid.reshape(-1, 1, 2).astype(np.float64)
    distortion = np.asarray(lens.distortion, np.float64)
    try:
        rays = _undistorted(pixels, matrix, distortion, camera.distortion_model)
    except cv2.error as error:
        raise _unfit(camera, error) from error
    return rays.reshape(lens.height, lens.width, 2).astype(np.float32)


def _undistorted(
    pixels: npt.NDArray[Any], matrix: npt.NDArray[Any], distortion: npt.NDArray[Any], model: str
) -> npt.NDArray[Any]:
    if not distortion.any():
        return (pixels - matrix[:2, 2]) / matrix.diagonal()[:2]
    if model == _FISHEYE_MODEL:
        return cv2.fisheye.undistortPoints(pixels, matrix, distortion[:4])
    _check_pinhole(model)
    return _undistorted_pinhole(pixels, matrix, distortion)


def _undistorted_pinhole(
    pixels: npt.NDArray[Any], matrix: npt.NDArray[Any], distortion: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    if hasattr(cv2, "undistortPointsIter"):  # OpenCV 4: plain undistortPoints stops after five rounds, 0.1 px off
        return cv2.undistortPointsIter(pixels, matrix, distortion, np.eye(3), np.eye(3), _ITERATIONS)  # type: ignore[attr-defined]
    return cv2.undistortPoints(pixels, matrix, distortion, criteria=_ITERATIONS)


def pixels_of_rays(camera: CameraModel, rays: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Where rays (N, 2: x/z and y/z) meet the image, float64 (N, 2) px, distorted; inverse of `ray_table`.

    Raises:
        ImageError: a distortion model that OpenCV does not have, or a number of coefficients that is not its own.
    """
    lens = camera.intrinsics
    distortion = np.asarray(lens.distortion, np.float64)
    if not distortion.any():
        return np.asarray(rays, np.float64) * np.array([lens.fx, lens.fy]) + np.array([lens.cx, lens.cy])
    points = np.ascontiguousarray(rays, np.float64).reshape(-1, 1, 2)
    try:
        if camera.distortion_model == _FISHEYE_MODEL:
            pixels = cv2.fisheye.distortPoints(points, _matrix(camera), distortion[:4])
        else:
            _check_pinhole(camera.distortion_model)
            homogeneous = cv2.convertPointsToHomogeneous(points)
            pixels, _ = cv2.projectPoints(homogeneous, np.zeros(3), np.zeros(3), _matrix(camera), distortion)
    except cv2.error as error:
        raise _unfit(camera, error) from error
    return np.asarray(pixels, np.float64).reshape(-1, 2)


def _matrix(camera: CameraModel) -> npt.NDArray[np.float64]:
    lens = camera.intrinsics
    return np.array([[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1]], np.float64)


def _unfit(camera: CameraModel, error: cv2.error) -> ImageError:
    given = f"{camera.distortion_model} with {len(camera.intrinsics.distortion)} coefficients"
    return ImageError(f"camera_info: expected distortion that OpenCV undoes, got {given}: {error.err}")


def _check_pinhole(model: str) -> None:
    if model not in _PINHOLE_MODELS:
        expected = ", ".join((*_PINHOLE_MODELS, _FISHEYE_MODEL))
        raise ImageError(f"camera_info: distortion_model: expected one of {expected}, got {model!r}")
