"""cv_bridge where the system has one that imports; our own unpacking otherwise.

cv_bridge is not on PyPI, and apt's is built for NumPy 1: importing it beside NumPy 2 fails. It also misreads rows
whose padding is not a whole number of pixels, so it is asked only for layouts it reads correctly (`layout.is_plain`).
"""

from __future__ import annotations

import importlib
import importlib.util

from ...errors import ImageError
from ...messages.decode import Unpack
from ...messages.layout import Encoding, ImageMessage, packed_array
from ...types import ImageArray


def best_unpack() -> tuple[Unpack, str | None]:
    """What unpacks image messages here, and a warning when cv_bridge is installed but does not import."""
    if importlib.util.find_spec("cv_bridge") is None:
        return packed_array, None
    try:
        bridge = importlib.import_module("cv_bridge").CvBridge()
    except Exception as error:  # a NumPy 1 extension beside NumPy 2 raises whatever its C code raises
        return packed_array, f"cv_bridge does not import, using the built-in adapter: {type(error).__name__}: {error}"
    return _bridged(bridge), None


def _bridged(bridge: object) -> Unpack:
    def unpack(message: ImageMessage, encoding: Encoding) -> ImageArray:
        try:
            return bridge.imgmsg_to_cv2(message, desired_encoding="passthrough")  # type: ignore[attr-defined]
        except Exception as error:  # CvBridgeError is a TypeError here and a RuntimeError there
            raise ImageError(f"image {message.encoding}: expected cv_bridge to read it: {error}") from error

    return unpack
