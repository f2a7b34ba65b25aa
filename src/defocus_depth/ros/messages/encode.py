"""Arrays → image messages, filled in place: the generated setters copy byte by byte and take up to 100 ms."""

from __future__ import annotations

import sys

import numpy as np
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from ...errors import ImageError
from ...types import ImageArray

_DTYPES = {"32FC1": np.float32, "16UC1": np.uint16, "mono16": np.uint16}
_CHANNELS = {"32FC1": 1, "16UC1": 1, "mono8": 1, "mono16": 1, "rgb8": 3, "bgr8": 3}


def image_message(header: Header, array: ImageArray, encoding: str) -> Image:
    """A sensor_msgs/Image of `array` under `header` (taken as it is).

    Args:
        array: (H, W) for 32FC1 (float32), 16UC1, mono16 (uint16) and mono8 (uint8), (H, W, 3) uint8 for rgb8 and bgr8.

    Raises:
        ImageError: unknown encoding, or an array whose shape or dtype is not the encoding's.
    """
    _check(array, encoding)
    contiguous = np.ascontiguousarray(array)
    message = Image(header=header, height=array.shape[0], width=array.shape[1], encoding=encoding)
    message.is_bigendian = int(sys.byteorder == "big")
    message.step = contiguous.strides[0]
    message.data.frombytes(contiguous.data.cast("B"))
    return message


def _check(array: ImageArray, encoding: str) -> None:
    if encoding not in _CHANNELS:
        raise ImageError(f"image encoding: expected one of {', '.join(_CHANNELS)}, got {encoding!r}")
    channels, dtype = _CHANNELS[encoding], np.dtype(_DTYPES.get(encoding, np.uint8))
    actual = 1 if array.ndim == 2 else array.shape[-1]
    if array.ndim not in (2, 3) or actual != channels or array.dtype != dtype or array.size == 0:
        raise ImageError(
            f"image {encoding}: expected {channels} channel(s) of {dtype}, got {array.shape} of {array.dtype}"
        )
