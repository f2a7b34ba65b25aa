"""A few recorded messages as one compressed .mcap file, float maps rounded to compress well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .bags.reader import RecordedMessage, RecordedTopic
from .bags.writer import new_bag

_EXPONENT_BITS = np.uint32(0x7F800000)
_MANTISSA_BITS = 23


def write_mcap(path: Path, types: Mapping[str, str], messages: Sequence[RecordedMessage]) -> None:
    """Write `messages` in the order of their times to one .mcap file, its chunks compressed by zstd.

    Args:
        path: replaced where it exists.
        types: package/msg/Name by topic, of the messages that ROS 2 Jazzy comes with.

    Raises:
        ConfigError: the file cannot be written.
    """
    with new_bag(path, overwrite=True) as bag:
        for name, kind in types.items():
            bag.add_topic(RecordedTopic(name, kind))
        for message in sorted(messages, key=lambda message: message.time_ns):
            bag.write(message)


def rounded_floats(cdr: bytes, count: int, mantissa_bits: int) -> bytes:
    """The last `count` float32 of a serialised message rounded to `mantissa_bits`: compresses to a fraction.

    Infinities and NaN stay as they are. 11 bits round by at most 0.025 %.
    """
    head, tail = cdr[: len(cdr) - 4 * count], cdr[len(cdr) - 4 * count :]
    bits = np.frombuffer(tail, np.uint32)
    dropped = np.uint32(_MANTISSA_BITS - mantissa_bits)
    half, mask = np.uint32(1 << (dropped - 1)), np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)
    finite = (bits & _EXPONENT_BITS) != _EXPONENT_BITS
    return head + np.where(finite, (bits + half) & mask, bits).tobytes()
