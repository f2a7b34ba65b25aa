"""Plays a bag to the depth node and measures what a robot would see: drops, latency, CPU, memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import try_shutdown
from sensor_msgs.msg import Image

from ..errors import BagError, ProcessError
from ..evaluation.bags.reader import OpenBag
from ..evaluation.online import CONFIDENCE, DEFOCUS, DEPTH, OnlineRun, counted
from ..evaluation.playback import Moment, SteadyTimer, paced
from ..messages.header import header_stamp_ns
from .diagnostics import LOSSES, WATCHED
from .replay import BagPlayer, ReplaySettings, chosen_topics, message_types

_DEPTH_OF_QUEUE = 50
_ABOUT = ("backend", "precision", "model", "model sha256", "working size")
_MAPS = (DEPTH, DEFOCUS, CONFIDENCE)
_LOOK_S, _SAMPLE_S = 0.02, 0.25
_QUIET_S = 3.0  # after the last image, without a further depth map
_DIAGNOSTICS_S = 2.5  # two of them
_ON_PURPOSE = {f"images {words}": kind for kind, words in LOSSES.items() if kind not in ("replaced", "lost")}


@dataclass(frozen=True)
class OnlineSettings:
    """What is measured.

    Attributes:
        image_topic: of the bag, as the node subscribes to it.
        node: full name of the depth node.
        patience_s: longest wait for the node to be active.
        check: called while waiting; raises if the node's process has ended.
    """

    replay: ReplaySettings
    image_topic: str
    node: str = "/depth"
    patience_s: float = 120.0
    check: Callable[[], None] = lambda: None


def measure(bag: OpenBag, settings: OnlineSettings, progress: Callable[[Moment], None]) -> OnlineRun:
    """Play the bag to its end while the node works on it.

    Raises:
        BagError: the image topic cannot be played, or the bag is corrupt.
        ProcessError: the node does not become active, or its process ends.
    """
    topics = chosen_topics(bag, settings.replay.topics)
    types, left_out = message_types(topics)
    if settings.image_topic not in types:
        reason = left_out.get(settings.image_topic, "it is not among the topics to play")
        raise BagError(f"{bag.path}: image topic {settings.image_topic}: expected to play it, but {reason}")
    remap = [argument for rule in settings.replay.remap for argument in ("-r", rule)]
    rclpy.init(args=["--ros-args", *remap] if remap else None, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = rclpy.create_node("defocus_depth_replay")
        watch = _Watch(node, settings)
        player = BagPlayer(node, topics, types, bool(settings.replay.pace.clock_hz))
        with _spinning(node):
            watch.wait_until_ready(lambda: player.subscribers(settings.image_topic))
            watch.begin()
            moments = paced(bag.messages(types), bag.start_ns, settings.replay.pace, SteadyTimer())
            player.play(watch.noting(moments), watch.seen(progress))
            watch.end()
        return watch.run
    finally:
        try_shutdown()


@contextmanager
def _spinning(node: Node) -> Iterator[None]:
    """Callbacks are served by a thread of their own while the bag is played."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def spin() -> None:
        with suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin, name="recorder")
    thread.start()
    try:
        yield
    finally:
        executor.shutdown()
        thread.join()


@dataclass
class _Watch:
    """Listens to the node, and sums up what it said and used."""

    node: Node
    settings: OnlineSettings
    run: OnlineRun = field(default_factory=OnlineRun)

    def __post_init__(self) -> None:
        self._said: dict[str, str] = {}
        self._before: dict[str, str] = {}
        self._failure = ""  # of its last transition
        self._process: psutil.Process | None = None
        self._begun: tuple[float, float] = (0.0, 0.0)  # wall and CPU time (s)
        self._last: tuple[float, float] = (0.0, 0.0)  # of the last depth map
        self._sampled_s = 0.0
        for kind in _MAPS:
            topic = f"{self.settings.node}/{kind}"
            self.node.create_subscription(Image, topic, self._keeper(kind), _DEPTH_OF_QUEUE, raw=True)
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnosed, 10)

    def wait_until_ready(self, subscribers: Callable[[], int]) -> None:
        """Return when the node is active, listens to the images, and has found who listens to its maps."""
        give_up_s = time.monotonic() + self.settings.patience_s
        while not (self._said.get("state") == "active" and subscribers() and self._is_heard()):
            self.settings.check()
            if self._failure:
                raise ProcessError(f"{self.settings.node}: expected an active depth node, got: {self._failure}")
            if time.monotonic() > give_up_s:
                said = (
                    f"state {self._said.get('state', 'unknown')!r}, {subscribers()} subscribers to its images, "
                    f"{self._said.get(WATCHED, 0)} of {len(_MAPS)} maps with a known subscriber"
                )
                raise ProcessError(f"{self.settings.node}: expected an active depth node, got {said}")
            time.sleep(_LOOK_S)

    def begin(self) -> None:
        """From now on everything counts."""
        self._before = dict(self._said)
        with suppress(psutil.Error, ValueError):
            self._process = psutil.Process(int(self._said.get("pid", "")))
        self._begun = self._last = (time.monotonic(), self._used_s())

    def noting(self, moments: Iterator[Moment]) -> Iterator[Moment]:
        """Notes when each image goes out, just before it does."""
        for moment in moments:
            message = moment.message
            if message is not None and message.topic == self.settings.image_topic:
                self.run.images += 1
                self.run.published_ns[header_stamp_ns(message.cdr)] = time.time_ns()
            yield moment

    def seen(self, progress: Callable[[Moment], None]) -> Callable[[Moment], None]:
        """Looks at the node's memory now and then while the bag is played."""

        def see(moment: Moment) -> None:
            if time.monotonic() - self._sampled_s > _SAMPLE_S:
                self._sampled_s = time.monotonic()
                self.settings.check()
                self._look_at_memory()
            progress(moment)

        return see

    def end(self) -> None:
        """Wait for what is still under way, then sum up."""
        played_s = time.monotonic()
        while len(self.run.received_ns) < len(self.run.published_ns) and not self._is_quiet(played_s):
            time.sleep(_LOOK_S)
        self._look_at_memory()
        time.sleep(_DIAGNOSTICS_S)
        elapsed_s, used_s = (last - begun for last, begun in zip(self._last, self._begun, strict=True))
        if self._process and elapsed_s > 0:
            self.run.cpu_percent = 100 * used_s / elapsed_s
        happened = counted(self._before, self._said)
        self.run.left_out = {kind: happened[words] for words, kind in _ON_PURPOSE.items() if words in happened}
        self.run.node = {name: self._said.get(name, "") for name in _ABOUT}
        if self.run.received_ns:
            first_ns = min(self.run.published_ns.values())
            self.run.seconds = (max(self.run.received_ns.values()) - first_ns) * 1e-9

    def _is_heard(self) -> bool:
        return int(self._said.get(WATCHED, 0)) >= len(_MAPS)

    def _is_quiet(self, played_s: float) -> bool:
        return time.monotonic() - max(played_s, self._last[0]) > _QUIET_S

    def _keeper(self, kind: str) -> Callable[[bytes], None]:
        def keep(cdr: bytes) -> None:
            received_ns = time.time_ns()
            stamp_ns = header_stamp_ns(cdr)
            self.run.maps.add(kind, stamp_ns, cdr)
            if kind == DEPTH:
                self.run.received_ns[stamp_ns] = received_ns
                self._last = (time.monotonic(), self._used_s())

        return keep

    def _diagnosed(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name.partition(":")[0] == self.settings.node:
                self._said = {pair.key: pair.value for pair in status.values}
                failed = status.level == DiagnosticStatus.ERROR and self._said.get("state") != "active"
                self._failure = status.message if failed else ""

    def _used_s(self) -> float:
        """CPU time of the node so far, s; 0 where its process is not known."""
        with suppress(psutil.Error):
            if self._process:
                times = self._process.cpu_times()
                return times.user + times.system
        return 0.0

    def _look_at_memory(self) -> None:
        with suppress(psutil.Error):
            if self._process:
                self.run.rss_mib = max(self.run.rss_mib or 0.0, self._process.memory_info().rss / 2**20)
