"""A camera node from outside, for code that does not spin: its pictures one by one, and its parameters.

A thread of its own spins the client's node, so callers may block.
"""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import rclpy
from rcl_interfaces.msg import ParameterDescriptor
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParametersAtomically
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from ..errors import DefocusDepthError, DeviceError, one_line
from ..messages.camera_info import camera_model, is_calibrated
from ..messages.decode import decode_compressed, decode_image
from ..messages.lens_state import stamp_ns
from ..types import CameraIntrinsics, ImageArray, Transfer
from .messages.bridge import best_unpack

_COMPRESSED = "/compressed"
_INFO_WAIT_S = 1.5  # a driver publishes its calibration with every picture, but not always before it
_QUEUE = 8  # pictures that wait for a slow caller; the oldest make room


@dataclass(frozen=True)
class TopicImage:
    """A picture from a topic.

    Attributes:
        stamp_ns: of its header.
        arrived_s: when it came, `time.monotonic`.
        transfer: linear for mono16 and Bayer, as the depth node takes them.
    """

    pixels: ImageArray
    stamp_ns: int
    arrived_s: float
    transfer: Transfer


class RosSession:
    """A node in a context of its own, spun by a thread until `close`.

    Args:
        name: of the node.
        timeout_s: longest wait for a service or an answer.
    """

    def __init__(self, name: str, timeout_s: float) -> None:
        self.timeout_s, self._name = timeout_s, name
        self._join()

    def _join(self) -> None:
        self._context = Context()
        rclpy.init(args=[], context=self._context)  # the process's own remappings may name another node
        self.node: Node = rclpy.create_node(self._name, context=self._context, start_parameter_services=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name=self._name, daemon=True)
        self._thread.start()

    def revive(self) -> None:
        """Join ROS anew where a signal has ended it: rclpy's handler shuts all contexts of the process down."""
        if not self._context.ok():
            self._thread.join(self.timeout_s)
            self._join()

    def close(self) -> None:
        """Stop spinning and leave ROS."""
        self._context.try_shutdown()
        self._thread.join(self.timeout_s)

    def call(self, kind: Any, service: str, request: Any) -> Any:
        """A service's answer.

        Raises:
            DeviceError: nobody offers it, no answer comes in time, or ROS has ended here.
        """
        try:
            return self._answer(kind, service, request)
        except RuntimeError as error:  # of rclpy, once a signal has shut its contexts down
            raise DeviceError(f"{service}: expected an answer, got: {one_line(error)}") from error

    def _answer(self, kind: Any, service: str, request: Any) -> Any:
        client = self.node.create_client(kind, service)
        try:
            if not client.wait_for_service(self.timeout_s):
                raise DeviceError(f"{service}: expected a node that offers it within {self.timeout_s:g} s, found none")
            answered = threading.Event()
            future = client.call_async(request)
            future.add_done_callback(lambda done: answered.set())
            if not answered.wait(self.timeout_s):
                raise DeviceError(f"{service}: expected an answer within {self.timeout_s:g} s, got none")
            return future.result()
        finally:
            self.node.destroy_client(client)

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except (ExternalShutdownException, RuntimeError):  # closed while it was waiting
            pass


class RemoteParameters:
    """The parameters of another node; remembers what they were before they were changed."""

    def __init__(self, session: RosSession, node: str) -> None:
        self._session, self.node = session, "/" + node.strip("/")
        self._before: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        """A parameter's value.

        Raises:
            DeviceError: the node does not answer or has no such parameter.
        """
        answer = self._session.call(GetParameters, f"{self.node}/get_parameters", GetParameters.Request(names=[name]))
        value = parameter_value_to_python(answer.values[0]) if answer.values else None
        if value is None:
            raise DeviceError(f"{self.node}: expected a parameter {name!r} with a value, it has none")
        return value

    def describe(self, name: str) -> ParameterDescriptor:
        """Its descriptor.

        Raises:
            DeviceError: the node does not answer or has no such parameter.
        """
        request = DescribeParameters.Request(names=[name])
        answer = self._session.call(DescribeParameters, f"{self.node}/describe_parameters", request)
        if not answer.descriptors:
            raise DeviceError(f"{self.node}: expected a parameter {name!r}, it has none")
        return answer.descriptors[0]

    def set(self, name: str, value: Any) -> None:
        """Set it, as the type that it has; its value before the first change is kept for `restore`.

        Raises:
            DeviceError: the node does not answer, has no such parameter, or refuses: with its reason; or the value is
                not of the parameter's type.
        """
        before = self.get(name)
        typed = self._as_type_of(before, name, value)
        self._before.setdefault(name, before)
        self._write(name, typed)

    def _as_type_of(self, before: Any, name: str, value: Any) -> Any:
        """The value without any change but between whole numbers and floats: bool("off") would be True."""
        kind = type(before)
        with suppress(ValueError, TypeError, OverflowError):
            number = not isinstance(value, bool | str) and kind in (int, float)
            if type(value) is kind or (number and kind(value) == value) or kind is str:
                return kind(value)
        raise DeviceError(f"{self.node}: {name}: expected a value of type {kind.__name__}, got {value!r}")

    def restore(self) -> list[str]:
        """Give every changed parameter its old value, the last changed first; what went wrong."""
        problems = []
        if self._before:
            self._session.revive()
        for name, value in reversed(self._before.items()):
            try:
                self._write(name, value)
            except DeviceError as error:
                problems.append(str(error))
        self._before.clear()
        return problems

    def _write(self, name: str, value: Any) -> None:
        request = SetParametersAtomically.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        answer = self._session.call(SetParametersAtomically, f"{self.node}/set_parameters_atomically", request)
        if not answer.result.successful:
            raise DeviceError(f"{self.node}: expected {name} to take {value!r}, refused: {answer.result.reason}")


class TopicCamera:
    """The pictures of a topic, newest kept, and the camera's calibration."""

    def __init__(self, session: RosSession, image: str, camera_info: str) -> None:
        self._session, self._image = session, image
        self._pictures: queue.Queue[tuple[Any, float]] = queue.Queue(_QUEUE)
        self._info: Any = None
        self._informed = threading.Event()
        compressed = image.endswith(_COMPRESSED)
        unpack, _ = best_unpack()
        self._decode = decode_compressed if compressed else lambda message: decode_image(message, unpack)
        quality = QoSProfile(depth=_QUEUE, reliability=ReliabilityPolicy.BEST_EFFORT)
        kind = CompressedImage if compressed else Image
        session.node.create_subscription(kind, image, self._on_image, quality)
        session.node.create_subscription(CameraInfo, camera_info, self._on_info, quality)

    def next_image(self) -> TopicImage:
        """The next picture that decodes.

        Raises:
            DeviceError: none comes in time.
        """
        deadline_s, problem = time.monotonic() + self._session.timeout_s, "none came"
        while True:
            try:
                message, arrived_s = self._pictures.get(timeout=max(0.0, deadline_s - time.monotonic()))
                decoded = self._decode(message)
                return TopicImage(decoded.array, stamp_ns(message.header), arrived_s, decoded.transfer)
            except queue.Empty:
                limit_s = self._session.timeout_s
                raise DeviceError(f"{self._image}: expected a picture within {limit_s:g} s, {problem}") from None
            except DefocusDepthError as error:
                problem = f"the last one does not decode: {error}"

    def intrinsics(self, width: int, height: int) -> CameraIntrinsics | None:
        """The calibration for pictures of this size; None: none came within a while, or it is not calibrated."""
        self._informed.wait(_INFO_WAIT_S)
        if self._info is None or not is_calibrated(self._info):
            return None
        return camera_model(self._info, width, height).intrinsics

    def _on_image(self, message: Any) -> None:
        while True:
            try:
                self._pictures.put_nowait((message, time.monotonic()))
                return
            except queue.Full:
                try:
                    self._pictures.get_nowait()
                except queue.Empty:
                    continue

    def _on_info(self, message: CameraInfo) -> None:
        self._info = message
        self._informed.set()
