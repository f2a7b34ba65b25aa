"""Tells where a lens is focused, and whether it travels."""

from __future__ import annotations

import math

from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState

from ..messages.lens_state import FOCUS_DISTANCE
from .quality import overridable

TOPIC = "lens_state"
_DEPTH = 50
_TRAVELLING = 1.0  # a rate where only its being nonzero is known


class LensStatePublisher:
    """Publishes `lens_state` on behalf of a node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publisher = node.create_publisher(
            JointState, TOPIC, QoSProfile(depth=_DEPTH), qos_overriding_options=overridable()
        )

    def publish(self, distance_m: float, velocity_m_per_s: float) -> None:
        """Focus distance (m, inf allowed) as of now, and its rate (0 at rest); NaN distance: nothing is published.

        A rate that is not finite is written as 1: what counts is that it is not 0.
        """
        if math.isnan(distance_m):
            return
        velocity = velocity_m_per_s if math.isfinite(velocity_m_per_s) else _TRAVELLING
        message = JointState(name=[FOCUS_DISTANCE], position=[distance_m], velocity=[velocity])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def moving(self, distance_m: float) -> None:
        """The lens travels towards a focus distance (m)."""
        self.publish(distance_m, _TRAVELLING)

    def at_rest(self, distance_m: float) -> None:
        """The lens rests at a focus distance (m)."""
        self.publish(distance_m, 0.0)
