"""Writes serialised messages to a bag as a stream, with `rosbags`: needs no ROS installation."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from ...errors import ConfigError
from .reader import RecordedMessage, RecordedTopic

_VERSION = 9
_NO_DIGEST = "RIHS01_" + "0" * 64  # of types that the recording gives no hash for and ROS 2 does not come with
_SINGLE_FILE = ".mcap"


class BagWriter:
    """A bag that `new_bag` opened for writing."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._store: Any = get_typestore(Stores.ROS2_JAZZY)
        self._topics: dict[str, Any] = {}

    def add_topic(self, topic: RecordedTopic) -> None:
        """A topic to write to: with its own definition where it has one, else with that of ROS 2 Jazzy.

        Raises:
            ConfigError: neither has one.
        """
        known = topic.type in self._store.fielddefs
        if not topic.definition and not known:
            raise ConfigError(f"{topic.name}: expected the definition of {topic.type}, got none")
        about: dict[str, Any] = {"offered_qos_profiles": topic.profiles}
        if topic.definition:
            digest = topic.digest or (self._store.hash_rihs01(topic.type) if known else _NO_DIGEST)
            about |= {"msgdef": topic.definition, "rihs01": digest}
        else:
            about |= {"typestore": self._store}
        self._topics[topic.name] = self._writer.add_connection(topic.name, topic.type, **about)

    def write(self, message: RecordedMessage) -> None:
        """Append a message of a topic that was added."""
        self._writer.write(self._topics[message.topic], message.time_ns, message.cdr)


@contextmanager
def new_bag(path: Path) -> Iterator[BagWriter]:
    """Write a bag, its chunks compressed by zstd: a single .mcap file, or a rosbag2 folder for any other name.

    It appears under its name when it is complete, and replaces what was there; after an error nothing has changed.

    Raises:
        ConfigError: it cannot be written, or a folder is in the way that is no bag.
    """
    if path.is_dir() and not (path / "metadata.yaml").exists():
        raise ConfigError(f"{path}: expected a new bag or one to replace, got a folder that is none")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".bag") as scratch:
            folder = Path(scratch) / (path.stem if path.suffix == _SINGLE_FILE else path.name)
            writer = Writer(folder, version=_VERSION, storage_plugin=StoragePlugin.MCAP)
            writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            with writer:
                yield BagWriter(writer)
            _move(folder, path)
    except OSError as error:
        raise ConfigError(f"{path}: expected a writable bag file, got {error}") from error


def _move(folder: Path, path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    if path.suffix == _SINGLE_FILE:
        (storage,) = folder.glob(f"*{_SINGLE_FILE}")
        storage.replace(path)
    else:
        folder.replace(path)
