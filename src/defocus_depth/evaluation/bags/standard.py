"""Messages of the standard types that evaluation reads and writes, as plain objects: no ROS installation needed.

Their definitions are the same in Humble, Jazzy and Kilted, and on the wire also in ROS 1 but for the header, which
the reader has turned into ROS 2's.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np
from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_typestore

from ...errors import ImageError
from ...types import CameraIntrinsics, ImageArray

IMAGE, COMPRESSED_IMAGE = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
CAMERA_INFO, JOINT_STATE = "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/JointState"
FLOAT32, FLOAT64 = "std_msgs/msg/Float32", "std_msgs/msg/Float64"
TRANSFORMS = "tf2_msgs/msg/TFMessage"


@cache
def standard_types() -> Any:
    """The type store of the oldest ROS 2 that is supported (a `rosbags` Typestore)."""
    return get_typestore(Stores.ROS2_HUMBLE)


def parsed(cdr: bytes, kind: str) -> Any:
    """The message (attributes as in ROS 2, arrays as NumPy arrays) that serialised bytes hold.

    Raises:
        ImageError: they hold no such message.
    """
    try:
        return standard_types().deserialize_cdr(cdr, kind)
    except (SerdeError, AssertionError, IndexError) as error:
        raise ImageError(f"message: expected {len(cdr)} bytes to be a {kind}: {error}") from error


def serialised(message: Any, kind: str) -> bytes:
    """CDR bytes of a message made by `standard_types().types[kind]`."""
    return bytes(standard_types().serialize_cdr(message, kind))


def header(stamp_ns: int, frame_id: str) -> Any:
    """A std_msgs/Header."""
    types = standard_types().types
    time = types["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return types["std_msgs/msg/Header"](stamp=time, frame_id=frame_id)


def image(head: Any, array: ImageArray, encoding: str) -> bytes:
    """A serialised sensor_msgs/Image of (H, W) or (H, W, C) samples, whose encoding must be theirs."""
    contiguous = np.ascontiguousarray(array)
    message = standard_types().types[IMAGE](
        header=head,
        height=array.shape[0],
        width=array.shape[1],
        encoding=encoding,
        is_bigendian=int(sys.byteorder == "big"),
        step=contiguous.strides[0],
        data=contiguous.reshape(-1).view(np.uint8),
    )
    return serialised(message, IMAGE)


def camera_info(head: Any, camera: CameraIntrinsics, distortion_model: str = "plumb_bob") -> bytes:
    """A serialised sensor_msgs/CameraInfo of a camera without region of interest or binning."""
    types = standard_types().types
    fx, fy, cx, cy = camera.fx, camera.fy, camera.cx, camera.cy
    message = types[CAMERA_INFO](
        header=head,
        height=camera.height,
        width=camera.width,
        distortion_model=distortion_model,
        d=np.array(camera.distortion or (0.0,) * 5, np.float64),
        k=np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1], np.float64),
        r=np.eye(3).ravel(),
        p=np.array([fx, 0, cx, 0, 0, fy, cy, 0, 0, 0, 1, 0], np.float64),
        binning_x=0,
        binning_y=0,
        roi=types["sensor_msgs/msg/RegionOfInterest"](x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    )
    return serialised(message, CAMERA_INFO)


def lens_state(head: Any, focus_distance_m: float, velocity_m_per_s: float = 0.0) -> bytes:
    """A serialised sensor_msgs/JointState with the joint `focus_distance`."""
    message = standard_types().types[JOINT_STATE](
        header=head,
        name=["focus_distance"],
        position=np.array([focus_distance_m]),
        velocity=np.array([velocity_m_per_s]),
        effort=np.array([]),
    )
    return serialised(message, JOINT_STATE)
