"""Depth maps → organised point clouds, through a table of viewing rays that knows the lens's distortion.

Maps stay in the input image's (distorted) pixels; only the rays are undistorted, once per camera.
"""

from __future__ import annotations

import sys
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from ...errors import ImageError
from ...messages.camera_info import CameraModel
from ...types import FloatArray, ImageArray

POINT_DTYPE = np.dtype([("x", np.float32), ("y", np.float32), ("z", np.float32), ("rgb", np.float32)])
_PINHOLE_MODELS = ("plumb_bob", "rational_polynomial")
_FISHEYE_MODEL = "equidistant"
_ITERATIONS = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-8)


def ray_table(camera: CameraModel) -> FloatArray:
    """Rays of all pixels, float32 (H, W, 2): x/z and y/z in the camera's optical frame (REP 103), undistorted.

    Raises:
        ImageError: a distortion model that OpenCV does not have, or a number of coefficients that is not its own.
    """
    lens = camera.intrinsics
    matrix = np.array([[lens.fx, 0, lens.cx], [0, lens.fy, lens.cy], [0, 0, 1]], np.float64)
    grid = np.stack(np.meshgrid(np.arange(lens.width), np.arange(lens.height)), axis=-1)
    pixels = grid.reshape(-1, 1, 2).astype(np.float64)
    distortion = np.asarray(lens.distortion, np.float64)
    try:
        rays = _undistorted(pixels, matrix, distortion, camera.distortion_model)
    except cv2.error as error:
        given = f"{camera.distortion_model} with {len(distortion)} coefficients"
        raise ImageError(f"camera_info: expected distortion that OpenCV undoes, got {given}: {error.err}") from error
    return rays.reshape(lens.height, lens.width, 2).astype(np.float32)


def _undistorted(
    pixels: npt.NDArray[Any], matrix: npt.NDArray[Any], distortion: npt.NDArray[Any], model: str
) -> npt.NDArray[Any]:
    if not distortion.any():
        return (pixels - matrix[:2, 2]) / matrix.diagonal()[:2]
    if model == _FISHEYE_MODEL:
        return cv2.fisheye.undistortPoints(pixels, matrix, distortion[:4])
    if model in _PINHOLE_MODELS:
        return _undistorted_pinhole(pixels, matrix, distortion)
    expected = ", ".join((*_PINHOLE_MODELS, _FISHEYE_MODEL))
    raise ImageError(f"camera_info: distortion_model: expected one of {expected}, got {model!r}")


def _undistorted_pinhole(
    pixels: npt.NDArray[Any], matrix: npt.NDArray[Any], distortion: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    if hasattr(cv2, "undistortPointsIter"):  # OpenCV 4: plain undistortPoints stops after five rounds, 0.1 px off
        return cv2.undistortPointsIter(pixels, matrix, distortion, np.eye(3), np.eye(3), _ITERATIONS)  # type: ignore[attr-defined]
    return cv2.undistortPoints(pixels, matrix, distortion, criteria=_ITERATIONS)


def point_cloud(header: Header, depth_m: FloatArray, rays: FloatArray, image: ImageArray) -> PointCloud2:
    """An organised xyzrgb sensor_msgs/PointCloud2, 16 bytes a point; NaN where depth is NaN.

    Args:
        depth_m: float32 (H, W) along z.
        rays: of `ray_table`, (H, W, 2).
        image: RGB (H, W, 3) or mono (H, W), uint8 or uint16: the points' colours.
    """
    height, width = depth_m.shape
    points = np.empty((height, width), POINT_DTYPE)
    points["x"] = rays[..., 0] * depth_m
    points["y"] = rays[..., 1] * depth_m
    points["z"] = depth_m
    points["rgb"] = _packed_rgb(image).view(np.float32)
    message = PointCloud2(header=header, height=height, width=width, fields=_fields(), is_dense=False)
    message.is_bigendian = sys.byteorder == "big"
    message.point_step = POINT_DTYPE.itemsize
    message.row_step = POINT_DTYPE.itemsize * width
    message.data.frombytes(points.view(np.uint8).data.cast("B"))
    return message


def _packed_rgb(image: ImageArray) -> npt.NDArray[Any]:
    """0x00RRGGBB per pixel: what RViz and PCL read from the float field `rgb`."""
    levels = (image >> 8 if image.dtype == np.uint16 else image).astype(np.uint32)
    if levels.ndim == 2:
        return levels * np.uint32(0x010101)
    return levels[..., 0] << 16 | levels[..., 1] << 8 | levels[..., 2]


def _fields() -> list[PointField]:
    return [
        PointField(name=name, offset=POINT_DTYPE.fields[name][1], datatype=PointField.FLOAT32, count=1)  # type: ignore[index]
        for name in ("x", "y", "z", "rgb")
    ]
