"""Tells where a lens is focused, and whether it travels."""

from __future__ import annotations

import math

from builtin_interfaces.msg import Time
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy
from sensor_msgs.msg import JointState

from ..messages.lens_state import FOCUS_DISTANCE
from .quality import overridable, qos_profile
from .topics import LENS_STATE

_TRAVELLING = 1.0  # a rate where only its being nonzero is known


def lens_state_publisher(node: Node) -> Publisher:
    """A publisher of `lens_state` that also tells who listens later: a lens at rest may say nothing for long."""
    profile = qos_profile(LENS_STATE, DurabilityPolicy.TRANSIENT_LOCAL)
    return node.create_publisher(JointState, LENS_STATE.name, profile, qos_overriding_options=overridable())


class LensStatePublisher:
    """Publishes `lens_state` on behalf of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = lens_state_publisher(node)

    def publish(self, distance_m: float, velocity_m_per_s: float, stamp: Time | None = None) -> None:
        """Focus distance (m, inf allowed) as of `stamp` (None: now), and its rate (0 at rest).

        A rate that is not finite is written as 1: what counts is that it is not 0. Of a NaN distance nothing is told.
        """
        if math.isnan(distance_m):
            return
        velocity = velocity_m_per_s if math.isfinite(velocity_m_per_s) else _TRAVELLING
        message = JointState(name=[FOCUS_DISTANCE], position=[distance_m], velocity=[velocity])
        message.header.stamp = stamp or self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def moving(self, distance_m: float, stamp: Time | None = None) -> None:
        """The lens travels towards a focus distance (m)."""
        self.publish(distance_m, _TRAVELLING, stamp)

    def at_rest(self, distance_m: float, stamp: Time | None = None) -> None:
        """The lens rests at a focus distance (m)."""
        self.publish(distance_m, 0.0, stamp)
