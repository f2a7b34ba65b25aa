"""Camera pixel values → float32 0..1 in the transfer that the model was trained on."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from ..errors import ImageError
from ..optics import from_linear, to_linear
from ..types import FloatArray, ImageArray, Transfer

_OVERSHOOT = 1e-3  # resampling filters leave 0..1 by this much; more is another scale (0..255, radiance)


def check_image(image: Any) -> None:
    """Refuse what is not an image of the kinds that `to_unit_floats` takes.

    Raises:
        ImageError: not an array, another dtype or shape, or no pixels.
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(f"image: expected a NumPy array, got {type(image).__name__}")
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        raise ImageError(f"image dtype: expected uint8, uint16 or float32, got {image.dtype}")
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ImageError(f"image shape: expected (H, W, 3) RGB or (H, W) mono, got {image.shape}")
    if image.size == 0:
        raise ImageError(f"image shape: expected at least 1x1 px, got {image.shape}")


def to_unit_floats(image: ImageArray, transfer: Transfer, wanted: Transfer) -> FloatArray:
    """float32 0..1 of the same shape, re-encoded from `transfer` to `wanted`.

    Integers span their whole range (255 or 65535 is 1) and go through a table; floats are taken as 0..1.

    Raises:
        ImageError: see `check_image`; or float values that are NaN or outside 0..1.
        ConfigError: an unknown transfer.
    """
    check_image(image)
    image = np.ascontiguousarray(image)
    if image.dtype == np.float32:
        return _reencoded(_checked_floats(image), transfer, wanted)
    table = _table(image.dtype.itemsize, transfer, wanted)
    return cv2.LUT(image, table) if image.dtype == np.uint8 else table.take(image)  # type: ignore[return-value]


def byte_table(transfer: Transfer, wanted: Transfer) -> FloatArray:
    """What `to_unit_floats` makes of each value of an 8-bit image: float32 (256,), not to be written to."""
    return _table(1, transfer, wanted)


@lru_cache(maxsize=8)
def _table(itemsize: int, transfer: Transfer, wanted: Transfer) -> FloatArray:
    count = 256**itemsize
    return _reencoded(np.linspace(0, 1, count, dtype=np.float64), transfer, wanted).astype(np.float32)


def _reencoded(values: Any, transfer: Transfer, wanted: Transfer) -> Any:
    radiance = to_linear(values, transfer)
    return values if transfer == wanted else from_linear(radiance, wanted)


def _checked_floats(image: FloatArray) -> FloatArray:
    low, high = float(image.min()), float(image.max())
    if not -_OVERSHOOT <= low <= high <= 1 + _OVERSHOOT:  # also false for NaN
        raise ImageError(f"image values: expected float32 in 0..1, got {low:g}..{high:g}")
    return np.clip(image, 0, 1)
