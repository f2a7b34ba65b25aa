"""Depth images → float32 metres: raw, as compressed_depth_image_transport packs them, or as plain 16-bit PNG.

REP 118: 16UC1 are millimetres, 0 unknown; 32FC1 are metres, NaN unknown.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import ImageError
from ..types import FloatArray
from .decode import CompressedImageMessage
from .layout import DEPTH_ENCODINGS, ImageMessage, checked_encoding, packed_array

_METRES_PER_STEP = np.float32(1e-3)
_PACKED = "compressedDepth"
_HEADER = struct.Struct("<iff")  # what follows is compressed; for 32FC1: quantisation of the inverse depth
_RVL_SIZE = struct.Struct("<II")


def decode_depth(message: ImageMessage) -> FloatArray:
    """Depth (m), float32 (H, W), of a sensor_msgs/Image; NaN where unknown (0, negative, infinite or NaN).

    Raises:
        ImageError: neither 16UC1, mono16 nor 32FC1, wrong step, too little data.
    """
    encoding = checked_encoding(message, DEPTH_ENCODINGS)
    return _known(packed_array(message, encoding))


def decode_compressed_depth(message: CompressedImageMessage) -> FloatArray:
    """Depth (m), float32 (H, W), of a sensor_msgs/CompressedImage; NaN where unknown.

    `format` is as compressed_depth_image_transport writes it, "16UC1; compressedDepth rvl" say: PNG or RVL after a
    header of 12 bytes, 32FC1 as quantised inverse depth; or without that word a 16-bit PNG of millimetres.

    Raises:
        ImageError: no or broken data, or another pixel format.
    """
    what = f"compressed depth {message.format!r}"
    data = bytes(message.data)
    if _PACKED not in message.format:
        return _known(_png(data, what))
    if len(data) <= _HEADER.size:
        raise ImageError(f"{what}: data: expected more than a header of {_HEADER.size} bytes, got {len(data)} bytes")
    _, scale, offset = _HEADER.unpack_from(data)
    stored = _unpacked(data[_HEADER.size :], "rvl" in message.format.lower(), what)
    if message.format.split(";")[0].strip() != "32FC1":
        return _known(stored)
    with np.errstate(divide="ignore"):
        depth_m = np.float32(scale) / (stored.astype(np.float32) - np.float32(offset))
    return _known(np.where(stored > 0, depth_m, np.float32(np.nan)))


def _unpacked(data: bytes, is_rvl: bool, what: str) -> npt.NDArray[np.uint16]:
    if not is_rvl:
        return _png(data, what)
    if len(data) < _RVL_SIZE.size:
        raise ImageError(f"{what}: data: expected width and height before RVL words, got {len(data)} bytes")
    from .rvl import decode_rvl  # its numba takes a second to import

    width, height = _RVL_SIZE.unpack_from(data)
    return decode_rvl(data[_RVL_SIZE.size :], width, height)


def _png(data: bytes, what: str) -> npt.NDArray[np.uint16]:
    try:
        image: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error as error:
        raise ImageError(f"{what}: data: expected a PNG file: {error.err}") from error
    if image is None or image.ndim != 2 or image.dtype != np.uint16:
        got = f"{len(data)} bytes of something else" if image is None else f"{image.shape} of {image.dtype}"
        raise ImageError(f"{what}: data: expected a PNG with one channel of 16 bit, got {got}")
    return image


def _known(values: npt.NDArray[Any]) -> FloatArray:
    """Metres of stored values (integers are millimetres); NaN unless finite and > 0."""
    depth_m = values * _METRES_PER_STEP if values.dtype == np.uint16 else values
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(depth_m) & (depth_m > 0), depth_m, np.float32(np.nan)).astype(np.float32)
