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
from .reader import STORAGE_SUFFIXES, RecordedMessage, RecordedTopic

_VERSION = 9
_NO_DIGEST = "RIHS01_" + "0" * 64  # of types that the recording gives no hash for and ROS 2 does not come with
_SINGLE_FILE = ".mcap"
_METADATA = "metadata.yaml"


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
def new_bag(path: Path, overwrite: bool = False) -> Iterator[BagWriter]:
    """Write a bag, its chunks compressed by zstd: a single .mcap file, or a rosbag2 folder for any other name.

    It appears under its name when it is complete; after an error nothing has changed.

    Args:
        overwrite: replace the bag that is there.

    Raises:
        ConfigError: it cannot be written, something is there already, or (also with `overwrite`) what is there is no
            bag or holds more than one.
    """
    _check_free(path, overwrite)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".bag") as scratch:
            folder = Path(scratch) / (path.stem if path.suffix == _SINGLE_FILE else path.name)
            writer = Writer(folder, version=_VERSION, storage_plugin=StoragePlugin.MCAP)
            writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
            with writer:
                yield BagWriter(writer)
            _check_free(path, overwrite)  # once more: another process may have written there meanwhile
            _move(folder, path)
    except OSError as error:
        raise ConfigError(f"{path}: expected a writable bag file, got {error}") from error


def _check_free(path: Path, overwrite: bool) -> None:
    if not path.exists():
        return
    if not overwrite:
        raise ConfigError(f"{path}: expected the name of a new bag (or --overwrite), got one that exists")
    if path.is_dir():
        if not (path / _METADATA).exists():
            raise ConfigError(f"{path}: expected a new bag or one to replace, got a folder that is none")
        # Replacing a folder deletes all that is in it.
        if strangers := sorted(child.name for child in path.iterdir() if not _is_part_of_a_bag(child)):
            raise ConfigError(f"{path}: expected a folder with nothing but a bag to replace, got {strangers} in it too")
    elif path.suffix != _SINGLE_FILE:
        raise ConfigError(f"{path}: expected a new bag or one to replace, got a file that is no {_SINGLE_FILE}")


def _is_part_of_a_bag(path: Path) -> bool:
    return path.is_file() and (path.name == _METADATA or path.suffix in STORAGE_SUFFIXES)


def _move(folder: Path, path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    if path.suffix == _SINGLE_FILE:
        (storage,) = folder.glob(f"*{_SINGLE_FILE}")
        storage.replace(path)
    else:
        folder.replace(path)
