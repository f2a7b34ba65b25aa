"""The pace at which a bag is played: each message when it is due, and ticks of a clock between them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from ..errors import ConfigError
from .bags.reader import RecordedMessage


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
