"""Plays a bag into running nodes: its messages as the bytes that were recorded, under their own types."""

from __future__ import annotations

import importlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import try_shutdown
from rosgraph_msgs.msg import Clock

from ..errors import BagError, ConfigError
from ..evaluation.bags.reader import OpenBag, RecordedTopic
from ..evaluation.playback import Moment, Pace, SteadyTimer, paced

_LOOK_S = 0.02
_DELIVERY_S = 5.0


@dataclass(frozen=True)
class ReplaySettings:
    """How to play.

    Attributes:
        topics: names of the topics to play; empty: all.
        remap: `from:=to` rules, as on the command line of any node.
        wait_for_subscribers_s: longest wait for a first subscriber to any of the topics.
    """

    pace: Pace = field(default_factory=Pace)
    topics: tuple[str, ...] = ()
    remap: tuple[str, ...] = ()
    wait_for_subscribers_s: float = 0.0


@dataclass(frozen=True)
class ReplayResult:
    """What was played: messages per topic, and the topics left out with the reason."""

    published: Counter[str]
    left_out: dict[str, str]


def replay(bag: OpenBag, settings: ReplaySettings, progress: Callable[[Moment], None]) -> ReplayResult:
    """Play the bag to its end.

    Args:
        progress: called after each message and clock tick.

    Raises:
        BagError: a named topic is not in the bag, no topic can be published, or the bag is corrupt.
        ConfigError: a rule that is none.
    """
    topics = chosen_topics(bag, settings.topics)
    types, left_out = message_types(topics)
    if not types:
        raise BagError(f"{bag.path}: expected a topic of an installed message type, got {left_out or 'no topics'}")
    remap = [argument for rule in settings.remap for argument in ("-r", _checked(rule))]
    rclpy.init(args=["--ros-args", *remap] if remap else None, signal_handler_options=SignalHandlerOptions.NO)
    try:
        player = BagPlayer(rclpy.create_node("defocus_depth_replay"), topics, types, bool(settings.pace.clock_hz))
        player.wait_for_subscribers(settings.wait_for_subscribers_s)
        moments = paced(bag.messages(types), bag.start_ns, settings.pace, SteadyTimer())
        return ReplayResult(player.play(moments, progress), left_out)
    finally:
        try_shutdown()


def _checked(rule: str) -> str:
    if not all(rule.partition(":=")):
        raise ConfigError(f"--remap: expected FROM:=TO, got {rule!r}")
    return rule


class BagPlayer:
    """Publishers for a bag's topics on a node."""

    def __init__(self, node: Node, topics: Iterable[RecordedTopic], types: dict[str, Any], clock: bool) -> None:
        self._publishers = {
            topic.name: node.create_publisher(types[topic.name], topic.name, _quality(topic))
            for topic in topics
            if topic.name in types
        }
        self._clock = node.create_publisher(Clock, "/clock", 10) if clock else None

    def wait_for_subscribers(self, timeout_s: float) -> None:
        """Return when some topic has a subscriber, or after the timeout."""
        give_up_s = time.monotonic() + timeout_s
        while time.monotonic() < give_up_s and not any(p.get_subscription_count() for p in self._publishers.values()):
            time.sleep(_LOOK_S)

    def subscribers(self, topic: str) -> int:
        """Number of subscriptions to one of the bag's topics."""
        return self._publishers[topic].get_subscription_count()

    def play(self, moments: Iterable[Moment], progress: Callable[[Moment], None]) -> Counter[str]:
        """Publish each moment as it comes; wait at the end until reliable subscribers have everything."""
        published: Counter[str] = Counter()
        for moment in moments:
            if self._clock:
                self._clock.publish(Clock(clock=_time(moment.time_ns)))
            if moment.message:
                self._publishers[moment.message.topic].publish(moment.message.cdr)
                published[moment.message.topic] += 1
            progress(moment)
        for publisher in self._publishers.values():
            publisher.wait_for_all_acked(Duration(seconds=_DELIVERY_S))
        return published


def chosen_topics(bag: OpenBag, names: Sequence[str]) -> list[RecordedTopic]:
    """The named topics of a bag; all without names.

    Raises:
        BagError: one of them is not in the bag.
    """
    topics = bag.topics
    present = {topic.name for topic in topics}
    if missing := [name for name in names if name not in present]:
        raise BagError(f"{bag.path}: expected topics out of {sorted(present)}, got {missing}")
    return [topic for topic in topics if not names or topic.name in names]


def message_types(topics: Iterable[RecordedTopic]) -> tuple[dict[str, Any], dict[str, str]]:
    """The message class of each topic, and the reason for each topic that has none here."""
    types, left_out = {}, {}
    for topic in topics:
        package, _, name = topic.type.partition("/msg/")
        try:
            types[topic.name] = getattr(importlib.import_module(f"{package}.msg"), name)
        except (ImportError, AttributeError, ValueError):
            left_out[topic.name] = f"message type {topic.type} is not installed"
    return types, left_out


def _quality(topic: RecordedTopic) -> QoSProfile:
    return QoSProfile(
        depth=topic.depth,
        reliability=ReliabilityPolicy.RELIABLE if topic.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if topic.latched else DurabilityPolicy.VOLATILE,
    )


def _time(time_ns: int) -> Time:
    return Time(sec=time_ns // 10**9, nanosec=time_ns % 10**9)
