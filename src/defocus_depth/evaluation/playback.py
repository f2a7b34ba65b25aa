"""A ROS 2 bag as raw messages in time, read with `rosbags`: needs no ROS installation."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rosbags.interfaces import Connection, ConnectionExtRosbag2, QosDurability, QosReliability
from rosbags.rosbag2 import Reader

from ..errors import BagError, ConfigError

DEFAULT_DEPTH = 10


@dataclass(frozen=True)
class RecordedTopic:
    """A topic of a bag and the quality of service that its publisher offered (reliable where the bag is silent).

    Attributes:
        type: package/msg/Name.
        latched: late subscribers get the last messages (transient local), as /tf_static.
        depth: messages kept for them.
    """

    name: str
    type: str
    reliable: bool = True
    latched: bool = False
    depth: int = DEFAULT_DEPTH


@dataclass(frozen=True)
class RecordedMessage:
    """One message: `cdr` are the serialised bytes as recorded, `time_ns` is when they were."""

    topic: str
    time_ns: int
    cdr: bytes


class OpenBag:
    """A bag that `open_bag` opened."""

    def __init__(self, path: Path, reader: Reader) -> None:
        self.path = path
        self._reader = reader
        self.start_ns = reader.start_time
        self.duration_s = max(0, reader.duration) * 1e-9
        self.message_count = reader.message_count

    @property
    def topics(self) -> list[RecordedTopic]:
        """The bag's topics by name; one that several nodes published is listed once."""
        return sorted({c.topic: _topic(c) for c in self._reader.connections}.values(), key=lambda topic: topic.name)

    def messages(self, topics: Collection[str]) -> Iterator[RecordedMessage]:
        """The messages of the named topics in the order of the bag, streamed: memory does not grow.

        Raises:
            BagError: the bag is truncated or corrupt from here on.
        """
        chosen = [connection for connection in self._reader.connections if connection.topic in topics]
        if not chosen:
            return
        with _as_bag_error(self.path):
            for connection, time_ns, cdr in self._reader.messages(chosen):
                yield RecordedMessage(connection.topic, time_ns, bytes(cdr))


@contextmanager
def open_bag(path: Path) -> Iterator[OpenBag]:
    """Open a rosbag2 folder, or a single .mcap or .db3 file.

    Raises:
        BagError: there is none, or it cannot be read.
    """
    if not path.exists():
        raise BagError(f"{path}: expected a rosbag2 folder, .mcap or .db3 file, found nothing")
    with _as_bag_error(path):
        reader = Reader(path)
        reader.open()
    try:
        yield OpenBag(path, reader)
    finally:
        reader.close()


class Timer(Protocol):
    """Wall time; tests give one that does not wait."""

    def now_s(self) -> float:
        """Seconds since some moment, never going back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SteadyTimer:
    """The machine's monotonic clock."""

    def now_s(self) -> float:
        """Seconds since boot."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Moment:
    """A message that is due, or (None) a tick of the clock; `time_ns` is the bag's time now."""

    time_ns: int
    message: RecordedMessage | None


@dataclass(frozen=True)
class Pace:
    """How fast a bag is played.

    Attributes:
        rate: 1 = as recorded, > 0.
        clock_hz: ticks per second of wall time between messages; 0: none.

    Raises:
        ConfigError: a value out of its range.
    """

    rate: float = 1.0
    clock_hz: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.rate < math.inf:
            raise ConfigError(f"rate: expected a finite number > 0, got {self.rate}")
        if not 0 <= self.clock_hz <= 1000:
            raise ConfigError(f"clock_hz: expected 0..1000, got {self.clock_hz}")


def paced(messages: Iterable[RecordedMessage], start_ns: int, pace: Pace, timer: Timer) -> Iterator[Moment]:
    """Yield each message when it is due, at once when it is late; between them ticks, if the pace has any."""
    begin_s = timer.now_s()
    tick_s = 1 / pace.clock_hz if pace.clock_hz else math.inf
    next_tick_s = 0.0 if pace.clock_hz else math.inf
    for message in messages:
        due_s = (message.time_ns - start_ns) * 1e-9 / pace.rate
        while next_tick_s <= due_s:
            _sleep_until(begin_s + next_tick_s, timer)
            yield Moment(start_ns + round(next_tick_s * pace.rate * 1e9), None)
            next_tick_s += tick_s
        _sleep_until(begin_s + due_s, timer)
        yield Moment(message.time_ns, message)


def _sleep_until(moment_s: float, timer: Timer) -> None:
    if (remaining_s := moment_s - timer.now_s()) > 0:
        timer.sleep(remaining_s)


def _topic(connection: Connection) -> RecordedTopic:
    assert isinstance(connection.ext, ConnectionExtRosbag2)  # the reader reads nothing else
    profiles = connection.ext.offered_qos_profiles
    if not profiles:
        return RecordedTopic(connection.topic, connection.msgtype)
    return RecordedTopic(
        connection.topic,
        connection.msgtype,
        reliable=any(profile.reliability != QosReliability.BEST_EFFORT for profile in profiles),
        latched=any(profile.durability == QosDurability.TRANSIENT_LOCAL for profile in profiles),
        depth=max(DEFAULT_DEPTH, *(profile.depth for profile in profiles)),
    )


@contextmanager
def _as_bag_error(path: Path) -> Iterator[None]:
    """What rosbags and the libraries below it raise for a broken bag is of many kinds, AssertionError among them."""
    try:
        yield
    except BagError:
        raise
    except Exception as error:
        raise BagError(f"{path}: expected a readable rosbag2 recording: {type(error).__name__}: {error}") from error
