"""Quality of service of a topic in the table, with the policies that `qos_overrides` parameters may change."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

from .topics import Topic


def qos_profile(topic: Topic, durability: DurabilityPolicy = DurabilityPolicy.VOLATILE) -> QoSProfile:
    """Keep last, reliable or best effort as the table says."""
    reliability = ReliabilityPolicy.RELIABLE if topic.reliable else ReliabilityPolicy.BEST_EFFORT
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=topic.depth,
        reliability=reliability,
        durability=durability,
    )


def overridable() -> QoSOverridingOptions:
    """Declares `qos_overrides./topic.….{history,depth,reliability,durability}` as read-only parameters."""
    kinds = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)
    return QoSOverridingOptions(kinds)
