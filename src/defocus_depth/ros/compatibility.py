"""What differs between the ROS 2 releases that the nodes run on."""

from __future__ import annotations

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError  # type: ignore[no-redef]

__all__ = ["SubscriptionEventCallbacks", "UnsupportedEventTypeError"]
