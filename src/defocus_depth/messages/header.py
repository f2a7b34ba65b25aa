"""The std_msgs/Header at the beginning of a serialised message, read without deserialising the rest."""

from __future__ import annotations

import struct

from ..errors import ImageError

_STAMP = {0: ">iI", 1: "<iI"}  # by the byte order that the CDR encapsulation names
_ENCAPSULATION_BYTES = 4


def header_stamp_ns(cdr: bytes) -> int:
    """The stamp of a serialised message that begins with a std_msgs/Header.

    Raises:
        ImageError: too short to hold one.
    """
    try:
        seconds, nanoseconds = struct.unpack_from(_STAMP[cdr[1] & 1], cdr, _ENCAPSULATION_BYTES)
    except (struct.error, IndexError) as error:
        raise ImageError(f"message: expected a header of at least 12 bytes, got {len(cdr)} bytes") from error
    return seconds * 10**9 + nanoseconds
