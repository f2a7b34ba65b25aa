"""Counts and times of the frames that went through the node: totals since start and a window since the last look."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

import numpy as np

TIMES_KEPT = 1024  # 8 s at 120 Hz: bounds memory, the window is 1 s long


@dataclass(frozen=True)
class PublishedFrame:
    """Times of one published frame.

    Attributes:
        latency_s: from the image's arrival in this process to the last map published.
        age_s: from the image's stamp to the last map published, by the node's clock.
        invalid_ratio: share of depth pixels published as NaN, 0..1; None where no depth was computed.
    """

    latency_s: float
    age_s: float
    invalid_ratio: float | None


@dataclass(frozen=True)
class Window:
    """What happened since the previous look.

    Attributes:
        seconds: its length.
        counts: events in the window by kind; `totals` since start.
        reasons: the last words said for each kind in the window.
        silent_s: time since an image arrived, or since activation; None while inactive.
        stuck_s: time for which images have arrived and none was done with; 0 where none waits.
    """

    seconds: float
    counts: Counter[str]
    totals: Counter[str]
    reasons: dict[str, str]
    published: tuple[PublishedFrame, ...]
    silent_s: float | None
    stuck_s: float

    def rate_hz(self, kind: str) -> float:
        """Events of a kind per second."""
        return self.counts[kind] / self.seconds if self.seconds > 0 else 0.0

    def percentile_ms(self, attribute: str, percent: float) -> float:
        """Percentile of `latency_s` or `age_s` over the window's frames, ms; NaN where none was published."""
        times = [getattr(frame, attribute) for frame in self.published]
        return float(np.percentile(times, percent)) * 1e3 if times else float("nan")

    @property
    def invalid_ratio(self) -> float:
        """Mean over the window's frames that have depth; NaN where none has."""
        ratios = [frame.invalid_ratio for frame in self.published if frame.invalid_ratio is not None]
        return float(np.mean(ratios)) if ratios else float("nan")


@dataclass
class FrameStatistics:
    """Filled by the subscriptions and the worker, read by the diagnostics; safe between threads."""

    clock: Callable[[], float] = monotonic
    _totals: Counter[str] = field(default_factory=Counter)
    _counts: Counter[str] = field(default_factory=Counter)
    _reasons: dict[str, str] = field(default_factory=dict)
    _published: list[PublishedFrame] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._window_start = self.clock()
        self._last_image: float | None = None
        self._stuck_since: float | None = None

    def count(self, kind: str, reason: str = "", number: int = 1) -> None:
        """Count `number` events of a kind, and keep the words for the last one."""
        with self._lock:
            self._counts[kind] += number
            self._totals[kind] += number
            if reason:
                self._reasons[kind] = reason

    def image_arrived(self) -> None:
        """Count an image, and note when it came."""
        self.count("received")
        now = self._last_image = self.clock()
        with self._lock:
            self._stuck_since = now if self._stuck_since is None else self._stuck_since

    def image_done(self) -> None:
        """Note that an image was dealt with, whatever came of it."""
        with self._lock:
            self._stuck_since = None

    def frame_published(self, frame: PublishedFrame) -> None:
        """Count a published frame, and keep its times for the window."""
        self.count("published")
        with self._lock:
            self._published = [*self._published[-TIMES_KEPT:], frame]

    def watch(self, active: bool) -> None:
        """Start (or stop) measuring silence: with activation (or deactivation)."""
        self._last_image = self.clock() if active else None
        self.image_done()

    def take_window(self) -> Window:
        """What happened since the last call; the next window starts here."""
        now = self.clock()
        silent_s = None if self._last_image is None else now - self._last_image
        with self._lock:
            window = Window(
                now - self._window_start,
                self._counts,
                Counter(self._totals),
                self._reasons,
                tuple(self._published),
                silent_s,
                0.0 if self._stuck_since is None else now - self._stuck_since,
            )
            self._window_start = now
            self._counts, self._reasons, self._published = Counter(), {}, []
        return window
