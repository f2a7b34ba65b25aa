"""RVL, a lossless code for 16-bit depth: A. D. Wilson, "Fast Lossless Depth Image Compression", ISS 2017.

Runs of zeros and of non-zero pixels in turn; the latter as differences from the last non-zero pixel, zigzag-coded.
All numbers are made of nibbles, three bits each and one that says whether more follow, in 32-bit words from the top.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from ..errors import ImageError

LARGEST_SIDE_PX = 1 << 15


def decode_rvl(data: bytes, width: int, height: int) -> npt.NDArray[np.uint16]:
    """The image (height, width) that the RVL words `data` hold.

    Raises:
        ImageError: a size that no image has, or words that end before the image does or go beyond it.
    """
    if not (0 < width <= LARGEST_SIDE_PX and 0 < height <= LARGEST_SIDE_PX):
        raise ImageError(f"RVL: size: expected 1..{LARGEST_SIDE_PX} px, got {width}x{height}")
    words = np.frombuffer(data, "<u4", count=len(data) // 4).astype(np.uint32)
    pixels = np.zeros(width * height, np.uint16)
    if not _decode(words, pixels):
        raise ImageError(
            f"RVL: data: expected code of {width}x{height} pixels, got {len(data)} bytes of something else"
        )
    return pixels.reshape(height, width)


@numba.njit(inline="always")
def _number(words, nibble):  # numba infers the types
    """The number that begins at a nibble (-1: none), and the nibble after it."""
    value, shift = 0, 0
    while nibble < 8 * words.size and shift < 30:
        bits = (words[nibble >> 3] >> np.uint32(28 - 4 * (nibble & 7))) & np.uint32(15)
        value |= np.int64(bits & np.uint32(7)) << shift
        shift += 3
        nibble += 1
        if not bits & np.uint32(8):
            return value, nibble
    return -1, nibble


@numba.njit(cache=True, nogil=True)
def _decode(words, pixels):
    """Fill `pixels`; False where the code is not theirs."""
    done, nibble, previous = 0, 0, 0
    while done < pixels.size:
        zeros, nibble = _number(words, nibble)
        if zeros < 0 or done + zeros > pixels.size:
            return False
        done += zeros
        count, nibble = _number(words, nibble)
        if count < 0 or done + count > pixels.size:
            return False
        for index in range(done, done + count):
            zigzag, nibble = _number(words, nibble)
            if zigzag < 0:
                return False
            previous += (zigzag >> 1) ^ -(zigzag & 1)
            pixels[index] = previous & 0xFFFF
        done += count
    return True
