"""A bag as a stream of raw messages, read with `rosbags`: rosbag2 folders, single .mcap and .db3 files, ROS 1 .bag.

`rosbags.highlevel.AnyReader` is not used: it refuses a whole bag for one message definition that it cannot parse,
on a topic that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rosbags.convert.converter import is_same_wireformat
from rosbags.interfaces import Connection, ConnectionExtRosbag2, Qos, QosDurability, QosReliability
from rosbags.rosbag1 import Reader as Reader1
from rosbags.rosbag2 import Reader as Reader2
from rosbags.typesys import Stores, get_typestore

from ...errors import BagError

DEFAULT_DEPTH = 10
_ROS1_SUFFIX = ".bag"
STORAGE_SUFFIXES = (".mcap", ".db3")
_RENAMED = {"tf/msg/tfMessage": "tf2_msgs/msg/TFMessage"}
# What rosbags says of the commonest ways to break a bag, and what helps.
_REMEDIES = {
    "File end magic is invalid": "truncated, as after a crash of the recorder: `mcap recover` saves what is there",
    "Bag is not indexed": "without an index: `rosbag reindex` makes one",
    "Bag index looks damaged": "truncated: `rosbag reindex` makes a new index",
    "database disk image is malformed": "truncated: `sqlite3 FILE .recover` saves what is there",
}


@dataclass(frozen=True)
class RecordedTopic:
    """A topic of a bag and the quality of service that its publisher offered (reliable where the bag is silent).

    Attributes:
        type: package/msg/Name.
        count: messages.
        latched: late subscribers get the last messages (transient local), as /tf_static.
        depth: messages kept for them.
        definition: of the message, as recorded; "" where the bag has none, or one of ROS 1.
        digest: RIHS01 hash of the type; "" where the bag has none.
        profiles: as recorded.
    """

    name: str
    type: str
    count: int = 0
    reliable: bool = True
    latched: bool = False
    depth: int = DEFAULT_DEPTH
    definition: str = ""
    digest: str = ""
    profiles: tuple[Qos, ...] = ()


@dataclass(frozen=True)
class RecordedMessage:
    """One message: `cdr` are the serialised bytes, `time_ns` is when it was recorded."""

    topic: str
    time_ns: int
    cdr: bytes


class OpenBag:
    """A bag that `open_bag` opened."""

    def __init__(self, path: Path, reader: Reader1 | Reader2) -> None:
        self.path = path
        self._reader = reader
        self.start_ns = reader.start_time
        self.duration_s = max(0, reader.duration) * 1e-9
        self.message_count = reader.message_count

    @property
    def name(self) -> str:
        """Of the file or folder, without suffix."""
        return self.path.resolve().stem

    @property
    def is_ros1(self) -> bool:
        """Whether ROS 1 recorded it."""
        return isinstance(self._reader, Reader1)

    @property
    def topics(self) -> list[RecordedTopic]:
        """The bag's topics by name; one that several nodes published is listed once."""
        connections = sorted(self._reader.connections, key=lambda connection: connection.topic)
        counts: dict[str, int] = {}
        for connection in connections:
            counts[connection.topic] = counts.get(connection.topic, 0) + connection.msgcount
        return list({c.topic: _topic(c, counts[c.topic]) for c in connections}.values())

    def messages(self, topics: Collection[str]) -> Iterator[RecordedMessage]:
        """The messages of the named topics in the order of the bag, streamed: memory does not grow.

        Those of a ROS 1 bag are turned into what ROS 2 would have recorded.

        Raises:
            BagError: the bag is truncated or corrupt from here on, or a ROS 1 message is of no standard type.
        """
        chosen = [connection for connection in self._reader.connections if connection.topic in topics]
        if not chosen:
            return
        with _as_bag_error(self.path):
            for connection, time_ns, data in self._reader.messages(chosen):
                yield RecordedMessage(connection.topic, time_ns, _cdr(connection, data))


@contextmanager
def open_bag(path: Path) -> Iterator[OpenBag]:
    """Open a rosbag2 folder (metadata.yaml may be missing), a single .mcap or .db3 file, or a ROS 1 .bag file.

    Raises:
        BagError: there is none, or it cannot be read.
    """
    if not path.exists():
        raise BagError(f"{path}: expected a rosbag2 folder, .mcap, .db3 or .bag file, found nothing")
    with _as_bag_error(path):
        reader = Reader1(path) if path.suffix == _ROS1_SUFFIX and path.is_file() else Reader2(_storage(path))
        reader.open()
    try:
        yield OpenBag(path, reader)
    finally:
        reader.close()


def is_converted(topic: RecordedTopic) -> bool:
    """Whether a ROS 1 bag's topic can be read: its type is one that ROS 2 has too, with the same fields."""
    old, new = _noetic().fielddefs, _humble().fielddefs
    known = topic.type in old and topic.type in new
    return known and is_same_wireformat(_noetic(), _humble(), topic.type, topic.type)


def _storage(path: Path) -> Path:
    """What to give the reader: of a folder without metadata.yaml its only storage file."""
    if not path.is_dir() or (path / "metadata.yaml").exists():
        return path
    files = sorted(file for file in path.iterdir() if file.suffix in STORAGE_SUFFIXES)
    if len(files) != 1:
        raise BagError(
            f"{path}: expected metadata.yaml, or exactly one .mcap or .db3 file, "
            f"got neither but {len(files)} of these files: `ros2 bag reindex` makes a new metadata.yaml"
        )
    return files[0]


def _topic(connection: Connection, count: int) -> RecordedTopic:
    name, kind = connection.topic, _RENAMED.get(connection.msgtype, connection.msgtype)
    if not isinstance(connection.ext, ConnectionExtRosbag2):
        return RecordedTopic(name, kind, count, latched=bool(connection.ext.latching))
    known = RecordedTopic(
        name,
        kind,
        count,
        definition=connection.msgdef.data,
        digest=connection.digest,
        profiles=tuple(connection.ext.offered_qos_profiles),
    )
    return _with_quality(known) if known.profiles else known


def _with_quality(topic: RecordedTopic) -> RecordedTopic:
    return RecordedTopic(
        **{
            **vars(topic),
            "reliable": any(profile.reliability != QosReliability.BEST_EFFORT for profile in topic.profiles),
            "latched": any(profile.durability == QosDurability.TRANSIENT_LOCAL for profile in topic.profiles),
            "depth": max(DEFAULT_DEPTH, *(profile.depth for profile in topic.profiles)),
        }
    )


def _cdr(connection: Connection, data: Any) -> bytes:
    if isinstance(connection.ext, ConnectionExtRosbag2):
        return bytes(data)
    kind = _RENAMED.get(connection.msgtype, connection.msgtype)
    return bytes(_humble().ros1_to_cdr(data, kind))


@cache
def _noetic() -> Any:
    return get_typestore(Stores.ROS1_NOETIC)


@cache
def _humble() -> Any:
    return get_typestore(Stores.ROS2_HUMBLE)


@contextmanager
def _as_bag_error(path: Path) -> Iterator[None]:
    """What rosbags and the libraries below it raise for a broken bag is of many kinds, AssertionError among them."""
    try:
        yield
    except BagError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        remedy = next((f" ({words})" for sign, words in _REMEDIES.items() if sign in said), "")
        raise BagError(f"{path}: expected a readable recording: {said}{remedy}") from error
