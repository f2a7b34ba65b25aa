"""The node's subscriptions, alive while it is active."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState

from . import topics
from .compatibility import SubscriptionEventCallbacks, UnsupportedEventTypeError
from .quality import overridable, qos_profile
from .topics import Topic


@dataclass(frozen=True)
class InputCallbacks:
    """Who is told what; `images_lost` gets the number of images that the middleware lost.

    Attributes:
        earlier_lens_state: given what publishers that keep their last states (transient local) told before, and their
            new states once more.
    """

    image: Callable[[Any], None]
    camera_info: Callable[[CameraInfo], None]
    lens_state: Callable[[JointState], None]
    earlier_lens_state: Callable[[JointState], None]
    images_lost: Callable[[int], None]


class Subscriptions:
    """Subscribes to image (raw or compressed), camera_info and lens_state."""

    def __init__(self, node: Node, transport: str, callbacks: InputCallbacks) -> None:
        self._node = node
        # The executor takes ready messages in this order: the lens's state and the camera before the image they are of.
        self._subscriptions = [
            self._create(JointState, topics.LENS_STATE.name, topics.LENS_STATE, callbacks.lens_state),
            self._subscribe_to_kept_lens_states(callbacks),
            self._create(CameraInfo, topics.CAMERA_INFO_IN.name, topics.CAMERA_INFO_IN, callbacks.camera_info),
            self._subscribe_to_images(transport, callbacks),
        ]

    @property
    def image_topic(self) -> str:
        """Full name of the image topic, remappings applied."""
        return self._subscriptions[-1].topic_name

    def destroy(self) -> None:
        """Take the subscriptions from the node."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions.clear()

    def _subscribe_to_images(self, transport: str, callbacks: InputCallbacks) -> Subscription:
        if transport == "raw":
            kind, topic, name = Image, topics.IMAGE, topics.IMAGE.name
        else:  # as image_transport does: remapping `image` moves its transports along
            kind, topic = CompressedImage, topics.COMPRESSED
            name = f"{self._node.resolve_topic_name(topics.IMAGE.name)}/compressed"
        lost = SubscriptionEventCallbacks(message_lost=lambda event: callbacks.images_lost(event.total_count_change))
        try:
            return self._create(kind, name, topic, callbacks.image, lost)
        except UnsupportedEventTypeError:  # a middleware that does not report lost messages
            return self._create(kind, name, topic, callbacks.image)

    def _subscribe_to_kept_lens_states(self, callbacks: InputCallbacks) -> Subscription:
        """A subscription of its own: one that is transient local hears nothing from publishers that are not."""
        return self._node.create_subscription(
            JointState,
            topics.LENS_STATE.name,
            callbacks.earlier_lens_state,
            qos_profile(topics.LENS_STATE, DurabilityPolicy.TRANSIENT_LOCAL),
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),  # they would warn of the others
        )

    def _create(
        self, kind: type, name: str, topic: Topic, callback: Callable[[Any], None], events: Any = None
    ) -> Subscription:
        return self._node.create_subscription(
            kind,
            name,
            callback,
            qos_profile(topic),
            event_callbacks=events,
            qos_overriding_options=overridable(),
        )
