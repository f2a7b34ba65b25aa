"""Picture files as the camera delivered them: no rotation, no rescaling of values."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .errors import ImageError
from .types import ImageArray


def read_image(path: Path) -> ImageArray:
    """RGB (H, W, 3) or mono (H, W), uint8 or uint16, as stored; alpha and EXIF orientation are ignored.

    Raises:
        ImageError: not readable, or not an 8- or 16-bit picture.
    """
    try:
        encoded = np.frombuffer(path.read_bytes(), np.uint8)
        image = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED) if encoded.size else None
    except OSError as error:
        raise ImageError(f"{path}: expected an image file, got {error.strerror or error}") from error
    except cv2.error as error:
        raise ImageError(f"{path}: expected an 8- or 16-bit image, got {error}") from error
    if image is None or image.dtype not in (np.uint8, np.uint16):
        found = "something that does not decode as one" if image is None else f"pixels of {image.dtype}"
        raise ImageError(f"{path}: expected an 8- or 16-bit image, got {found}")
    if image.ndim == 2:
        return image
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)
