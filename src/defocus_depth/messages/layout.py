"""What the bytes of a sensor_msgs/Image mean: one table of encodings, and the checks that come before any view.

Names are those of sensor_msgs/image_encodings; `nv12` follows `nv21` (a luma plane of `step` bytes a row,
then interleaved chroma rows of the same `step`; `height` counts luma rows).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from ..errors import ImageError
from ..types import ImageArray, Transfer


class ImageMessage(Protocol):
    """The fields of sensor_msgs/Image that decoding reads."""

    @property
    def height(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def encoding(self) -> str: ...
    @property
    def is_bigendian(self) -> int: ...
    @property
    def step(self) -> int: ...
    @property
    def data(self) -> Any: ...


@dataclass(frozen=True)
class Encoding:
    """How one encoding is laid out and turned into RGB or mono.

    Attributes:
        channels: samples per pixel of the packed array.
        dtype: of one sample, in the machine's byte order.
        conversion: OpenCV code that makes it RGB (None: it is RGB or mono already).
        rows_numerator: rows of `step` bytes for every two image rows (3 for 4:2:0 planes).
        even_width, even_height: whether chroma subsampling needs an even size.
        bridged: whether cv_bridge of every supported ROS knows the encoding.
        transfer: what the samples most likely are when nobody says.
    """

    channels: int
    dtype: type = np.uint8
    conversion: int | None = None
    rows_numerator: int = 2
    even_width: bool = False
    even_height: bool = False
    bridged: bool = True
    transfer: Transfer = "srgb"


def _bayer() -> dict[str, Encoding]:
    # ROS names the first row's pattern, OpenCV the second row's from its second pixel: rggb is OpenCV's BG.
    codes = {
        "rggb": cv2.COLOR_BayerBG2RGB,
        "bggr": cv2.COLOR_BayerRG2RGB,
        "gbrg": cv2.COLOR_BayerGR2RGB,
        "grbg": cv2.COLOR_BayerGB2RGB,
    }
    return {
        f"bayer_{pattern}{bits}": Encoding(1, dtype, code, transfer="linear")
        for pattern, code in codes.items()
        for bits, dtype in ((8, np.uint8), (16, np.uint16))
    }


_UYVY = Encoding(2, conversion=cv2.COLOR_YUV2RGB_UYVY, even_width=True, bridged=False)
_YUYV = Encoding(2, conversion=cv2.COLOR_YUV2RGB_YUY2, even_width=True, bridged=False)
_NV = {"rows_numerator": 3, "even_width": True, "even_height": True, "bridged": False}

ENCODINGS: dict[str, Encoding] = {
    "rgb8": Encoding(3),
    "bgr8": Encoding(3, conversion=cv2.COLOR_BGR2RGB),
    "rgba8": Encoding(4, conversion=cv2.COLOR_RGBA2RGB),
    "bgra8": Encoding(4, conversion=cv2.COLOR_BGRA2RGB),
    "mono8": Encoding(1),
    "mono16": Encoding(1, np.uint16, transfer="linear"),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUYV,
    "yuyv": _YUYV,
    "nv12": Encoding(1, conversion=cv2.COLOR_YUV2RGB_NV12, **_NV),
    "nv21": Encoding(1, conversion=cv2.COLOR_YUV2RGB_NV21, **_NV),
    **_bayer(),
}


DEPTH_ENCODINGS: dict[str, Encoding] = {
    "16UC1": Encoding(1, np.uint16),
    "mono16": Encoding(1, np.uint16),
    "32FC1": Encoding(1, np.float32),
}


def encoding_of(name: str, table: Mapping[str, Encoding] = ENCODINGS) -> Encoding:
    """The table's entry for `name`.

    Raises:
        ImageError: no such encoding.
    """
    try:
        return table[name]
    except KeyError:
        raise ImageError(f"image encoding: expected one of {', '.join(table)}, got {name!r}") from None


def checked_encoding(message: ImageMessage, table: Mapping[str, Encoding] = ENCODINGS) -> Encoding:
    """The message's encoding, after its size, step and amount of data were found to fit it.

    Raises:
        ImageError: unknown encoding, zero or odd size, step too small, too little data.
    """
    encoding = encoding_of(message.encoding, table)
    what = f"image {message.encoding} {message.width}x{message.height}"
    if message.width < 1 or message.height < 1:
        raise ImageError(f"{what}: size: expected at least 1x1, got {message.width}x{message.height}")
    if (encoding.even_width and message.width % 2) or (encoding.even_height and message.height % 2):
        raise ImageError(f"{what}: size: expected even (chroma is subsampled), got {message.width}x{message.height}")
    row_bytes = message.width * encoding.channels * np.dtype(encoding.dtype).itemsize
    if message.step < row_bytes:
        raise ImageError(f"{what}: step: expected at least {row_bytes} bytes, got {message.step}")
    expected, actual = message.step * _rows(message, encoding), len(message.data)
    if actual < expected:
        raise ImageError(f"{what}: data: expected {expected} bytes with step {message.step}, got {actual}")
    return encoding


def packed_array(message: ImageMessage, encoding: Encoding) -> ImageArray:
    """The message's samples (rows, W) or (rows, W, channels) without padding, in the machine's byte order.

    A view of the message's data where neither padding nor foreign byte order forces a copy.
    """
    native = np.dtype(encoding.dtype)
    stored = native.newbyteorder(">" if message.is_bigendian else "<")
    shape = (_rows(message, encoding), message.width, encoding.channels)
    strides = (message.step, encoding.channels * native.itemsize, native.itemsize)
    view = np.ndarray(shape, stored, message.data, strides=strides)
    packed = np.ascontiguousarray(view[:, :, 0] if encoding.channels == 1 else view)
    return packed if packed.dtype.isnative else packed.astype(native)


def is_plain(message: ImageMessage, encoding: Encoding) -> bool:
    """Whether rows hold whole pixels in the machine's byte order: the layouts that cv_bridge reads correctly."""
    pixel_bytes = encoding.channels * np.dtype(encoding.dtype).itemsize
    foreign = np.dtype(encoding.dtype).itemsize > 1 and bool(message.is_bigendian) != (sys.byteorder == "big")
    return message.step % pixel_bytes == 0 and not foreign


def _rows(message: ImageMessage, encoding: Encoding) -> int:
    return message.height * encoding.rows_numerator // 2
