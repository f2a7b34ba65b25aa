"""The maps' publishers: made for what somebody subscribes to, all under the image's own header."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from rclpy.lifecycle import LifecycleNode, LifecyclePublisher
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from ..errors import ImageError
from ..messages.camera_info import camera_info_for
from . import topics
from .camera import CameraTracker
from .messages.encode import image_message
from .messages.points import point_cloud
from .parameters import DepthNodeParameters
from .pipeline import FrameMaps
from .quality import overridable, qos_profile
from .topics import Topic

MESSAGE_TYPES = {
    "sensor_msgs/Image": Image,
    "sensor_msgs/CameraInfo": CameraInfo,
    "sensor_msgs/PointCloud2": PointCloud2,
}
_IMAGES: dict[Topic, Callable[[FrameMaps, Header], Image]] = {
    topics.DEPTH: lambda maps, header: image_message(header, maps.depth_m, "32FC1"),
    topics.DEPTH_MM: lambda maps, header: image_message(header, maps.depth_mm, "16UC1"),
    topics.DEFOCUS: lambda maps, header: image_message(header, maps.coc_px, "32FC1"),
    topics.CONFIDENCE: lambda maps, header: image_message(header, maps.confidence, "32FC1"),
    topics.COLOR: lambda maps, header: image_message(header, maps.color_bgr, "bgr8"),
}


class MapPublishers:
    """Publishers of all topics that the parameters ask for."""

    def __init__(self, node: LifecycleNode, parameters: DepthNodeParameters, camera: CameraTracker) -> None:
        self._node = node
        self._camera = camera
        self._publishers: dict[Topic, LifecyclePublisher] = {}
        for topic in topics.MAPS:
            if not topic.parameter or getattr(parameters, topic.parameter):
                self._publishers[topic] = self._create(topic)

    def wanted(self) -> list[Topic]:
        """The topics that somebody subscribes to now."""
        return [topic for topic, publisher in self._publishers.items() if publisher.get_subscription_count()]

    def publish(self, wanted: list[Topic], maps: FrameMaps, header: Header) -> str:
        """Publish the wanted maps, all of them or, when one cannot be made, none.

        Returns:
            What is wrong with camera_info, as far as it was needed; else "".
        """
        messages: dict[Topic, Any] = {topic: _IMAGES[topic](maps, header) for topic in wanted if topic in _IMAGES}
        if topics.POINTS in wanted:
            maps.depth_m  # what the estimator refuses is not camera_info's fault  # noqa: B018
        problem = ""
        for topic, make in ((topics.CAMERA_INFO_OUT, self._camera_info), (topics.POINTS, self._points)):
            if topic in wanted:
                try:
                    messages[topic] = make(maps, header)
                except ImageError as error:
                    problem = str(error)
        for topic, message in messages.items():
            self._publishers[topic].publish(message)
        return problem

    def destroy(self) -> None:
        """Take the publishers from the node."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers.clear()

    def _create(self, topic: Topic) -> LifecyclePublisher:
        kind, qos = MESSAGE_TYPES[topic.type], qos_profile(topic)
        publisher = self._node.create_lifecycle_publisher(kind, topic.name, qos, qos_overriding_options=overridable())
        return cast(LifecyclePublisher, publisher)

    def _camera_info(self, maps: FrameMaps, header: Header) -> CameraInfo:
        if self._camera.info is None:
            raise ImageError("camera_info: expected one to republish, received none")
        return camera_info_for(self._camera.info, header, maps.width, maps.height)

    def _points(self, maps: FrameMaps, header: Header) -> PointCloud2:
        return point_cloud(header, maps.depth_m, self._camera.rays(maps.width, maps.height), maps.image)
