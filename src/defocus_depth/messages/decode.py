"""Image messages → arrays: RGB (H, W, 3) or mono (H, W), uint8 or uint16, as the Estimator takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from ..errors import ImageError
from ..types import ImageArray, Transfer
from .layout import ENCODINGS, Encoding, ImageMessage, checked_encoding, encoding_of, is_plain, packed_array

Unpack = Callable[[ImageMessage, Encoding], ImageArray]


class CompressedImageMessage(Protocol):
    """The fields of sensor_msgs/CompressedImage that decoding reads."""

    @property
    def format(self) -> str: ...
    @property
    def data(self) -> Any: ...


@dataclass(frozen=True)
class DecodedImage:
    """An image as an array, and what its samples most likely are.

    Attributes:
        array: RGB (H, W, 3) or mono (H, W), uint8 or uint16; may be a view of the message's data.
        encoding: as the message named it.
        transfer: `linear` for Bayer and mono16, else `srgb`: used where the user named none.
    """

    array: ImageArray
    encoding: str
    transfer: Transfer


def decode_image(message: ImageMessage, unpack: Unpack = packed_array) -> DecodedImage:
    """Decode a sensor_msgs/Image; `unpack` makes the packed samples (ours, or cv_bridge's twin of it).

    Raises:
        ImageError: unknown encoding, wrong step, too little data, zero or odd size.
    """
    encoding = checked_encoding(message)
    reader = unpack if encoding.bridged and is_plain(message, encoding) else packed_array
    return DecodedImage(
        _converted(reader(message, encoding), encoding, message.encoding), message.encoding, encoding.transfer
    )


def decode_compressed(message: CompressedImageMessage) -> DecodedImage:
    """Decode a sensor_msgs/CompressedImage (JPEG or PNG, 8 or 16 bit) through OpenCV.

    `format` is read as image_transport writes it: "<original encoding>; <codec> compressed <stored encoding>".
    A PNG of a Bayer image holds the raw mosaic and is demosaiced here.

    Raises:
        ImageError: no or broken data, or not an 8- or 16-bit image of 1, 3 or 4 channels.
    """
    what = f"compressed image {message.format!r}"
    stored = _decompressed(message, what)
    original = message.format.split(";")[0].strip()
    transfer: Transfer = ENCODINGS[original].transfer if original in ENCODINGS else "srgb"
    if stored.ndim == 2 and original.startswith("bayer_") and "png" in message.format:
        return DecodedImage(_converted(stored, encoding_of(original), original), original, transfer)
    codes = {1: None, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
    channels = 1 if stored.ndim == 2 else stored.shape[2]
    if channels not in codes or stored.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"{what}: expected 1, 3 or 4 channels of 8 or 16 bit, got {channels} of {stored.dtype}")
    code = codes[channels]
    return DecodedImage(stored if code is None else cv2.cvtColor(stored, code), original, transfer)


def _decompressed(message: CompressedImageMessage, what: str) -> ImageArray:
    if len(message.data) == 0:
        raise ImageError(f"{what}: data: expected a JPEG or PNG file, got 0 bytes")
    try:
        decoded = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageError(f"{what}: data: expected a JPEG or PNG file: {error.err}") from error
    if decoded is None:
        raise ImageError(f"{what}: data: expected a JPEG or PNG file, got {len(message.data)} bytes of something else")
    return decoded


def _converted(packed: ImageArray, encoding: Encoding, name: str) -> ImageArray:
    if encoding.conversion is None:
        return packed
    try:
        return cv2.cvtColor(packed, encoding.conversion)
    except cv2.error as error:
        size = f"{packed.shape[1]}x{packed.shape[0]}"
        raise ImageError(f"image {name}: expected a size that OpenCV converts, got {size}: {error.err}") from error
