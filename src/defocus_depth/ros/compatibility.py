"""What differs between the ROS 2 releases that the nodes run on, and what rclpy leaves to its users."""

from __future__ import annotations

from typing import Any

from rclpy._rclpy_pybind11 import RCLError
from rclpy.lifecycle import LifecycleNode

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError  # type: ignore[no-redef]

__all__ = ["SubscriptionEventCallbacks", "UnsupportedEventTypeError", "refuse_impossible_transitions"]


def refuse_impossible_transitions(node: LifecycleNode) -> None:
    """Requests for a transition that the node's state does not have are answered with `success: false`.

    rclpy raises there, in the executor: a manager that asks twice would end the node.
    """
    service = node._service_change_state
    change = service.callback

    def answer(request: Any, response: Any) -> Any:
        try:
            return change(request, response)
        except RCLError as error:
            node.get_logger().warning(f"transition {request.transition.id}: expected one of this state's: {error}")
            response.success = False
            return response

    service.callback = answer
