"""Keeps messages as the bytes that arrived, with the time they did: little work while something is being measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from ..messages.header import header_stamp_ns


@dataclass(frozen=True)
class Wanted:
    """A topic to record; its messages begin with a std_msgs/Header.

    Attributes:
        every: keep the messages of each `every`th stamp only, the same stamps on all topics.
    """

    name: str
    kind: Any
    every: int = 1
    reliable: bool = True
    depth: int = 50


@dataclass(frozen=True)
class Received:
    """One message: serialised bytes, its header's stamp, and the system time when it was handed over."""

    stamp_ns: int
    received_ns: int
    cdr: bytes


@dataclass
class Recorder:
    """Subscribes a node to topics and keeps what comes.

    Attributes:
        messages: what was kept, by topic, in the order of arrival.
        arrivals: number of messages by topic, kept or not.
        on_message: called with the topic's name after each message.
    """

    node: Node
    topics: Sequence[Wanted]
    on_message: Callable[[str], None] = lambda name: None
    messages: dict[str, list[Received]] = field(default_factory=dict)
    arrivals: dict[str, int] = field(default_factory=dict)
    _order: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for topic in self.topics:
            self.add(topic)

    def add(self, topic: Wanted) -> None:
        """Record a further topic from now on."""
        self.messages[topic.name], self.arrivals[topic.name] = [], 0
        reliability = ReliabilityPolicy.RELIABLE if topic.reliable else ReliabilityPolicy.BEST_EFFORT
        quality = QoSProfile(depth=topic.depth, reliability=reliability)
        self.node.create_subscription(topic.kind, topic.name, self._keeper(topic), quality, raw=True)

    def _keeper(self, topic: Wanted) -> Callable[[bytes], None]:
        kept = self.messages[topic.name]

        def keep(cdr: bytes) -> None:
            received_ns = time.time_ns()
            stamp_ns = header_stamp_ns(cdr)
            self.arrivals[topic.name] += 1
            if self._order.setdefault(stamp_ns, len(self._order)) % topic.every == 0:
                kept.append(Received(stamp_ns, received_ns, cdr))
            self.on_message(topic.name)

        return keep
