"""Depth maps → organised point clouds, through a table of viewing rays (`messages.rays`)."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header

from ...types import FloatArray, ImageArray

POINT_DTYPE = np.dtype([("x", np.float32), ("y", np.float32), ("z", np.float32), ("rgb", np.float32)])


def point_cloud(header: Header, depth_m: FloatArray, rays: FloatArray, image: ImageArray) -> PointCloud2:
    """An organised xyzrgb sensor_msgs/PointCloud2, 16 bytes a point; NaN where depth is NaN.

    Args:
        depth_m: float32 (H, W) along z.
        rays: of `messages.rays.ray_table`, (H, W, 2).
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
