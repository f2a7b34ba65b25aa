"""Writes serialised ROS messages to one compressed .mcap file, with `rosbags`: needs no ROS installation."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from ..errors import ConfigError
from .playback import RecordedMessage

_VERSION = 9
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
    store = get_typestore(Stores.ROS2_JAZZY)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".bag") as scratch:
            writer = Writer(Path(scratch) / "bag", version=_VERSION, storage_plugin=StoragePlugin.MCAP)
            writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            with writer:
                topics = {name: writer.add_connection(name, kind, typestore=store) for name, kind in types.items()}
                for message in sorted(messages, key=lambda message: message.time_ns):
                    writer.write(topics[message.topic], message.time_ns, message.cdr)
            (storage,) = (Path(scratch) / "bag").glob("*.mcap")
            storage.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: expected a writable bag file, got {error}") from error


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
