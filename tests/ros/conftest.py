"""A depth node and a test node in one process, spun together until what the test waits for has happened."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from defocus_depth.inference import EstimatorInfo
from defocus_depth.types import DepthEstimate, LensParameters

TIMEOUT_S = 60.0
_NAMESPACES = itertools.count()
LENS_VALUES = {"lens_file": "robot"}


class FakeEstimator:
    """Depth 1 m everywhere, confidence from 0 (left) to 1 (right); keeps what it was asked; can wait and fail."""

    def __init__(self) -> None:
        self.calls: list[tuple[np.ndarray, LensParameters, float, str]] = []
        self.error: Exception | None = None
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.closed = False

    info = EstimatorInfo("c0ffee" * 10, Path("fake.onnx"), "fake", (64, 96), "truth", {}, "f32")

    def estimate(
        self,
        image: np.ndarray,
        lens: LensParameters,
        focus_distance_m: float,
        *,
        transfer: str,
        near_focus_m: float | None,
    ) -> DepthEstimate:
        self.calls.append((image.copy(), lens, focus_distance_m, transfer))
        assert self.may_go_on.wait(TIMEOUT_S)
        if self.error:
            raise self.error
        ones = np.ones(image.shape[:2], np.float32)
        confidence = ones * np.linspace(0, 1, image.shape[1], dtype=np.float32)
        return DepthEstimate(ones, ones * -2, ones * 2, ones * 0.1, confidence, 30.0, 1 / focus_distance_m)

    def close(self) -> None:
        self.closed = True


class Bench:
    """The node under test, a tester node beside it, and one executor for both.

    Attributes:
        estimators: fakes that the node was given, oldest first.
        received: messages by topic name as subscribed, oldest first.
        reasons: the last words that the node's statistics were told, by kind.
    """

    def __init__(self, estimator_factory: Callable[[Any], Any] | None, parameters: dict[str, Any]) -> None:
        import rclpy
        from rclpy.context import Context
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.parameter import Parameter

        from defocus_depth.ros.depth_node import DepthNode

        self.context = Context()
        rclpy.init(context=self.context)
        self.namespace = f"/bench{next(_NAMESPACES)}"
        self.estimators: list[FakeEstimator] = []
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        options = {"context": self.context, "namespace": self.namespace, "parameter_overrides": overrides}
        self.node = DepthNode(estimator_factory or self._fake, **options)
        self.tester = rclpy.create_node("tester", context=self.context, namespace=self.namespace)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._executor.add_node(self.tester)
        self.received: dict[str, list[Any]] = {}
        self._publishers: dict[str, Any] = {}
        self.reasons: dict[str, str] = {}
        self._count, self.node._statistics.count = self.node._statistics.count, self._counting  # type: ignore[method-assign]

    def _counting(self, kind: str, reason: str = "", number: int = 1) -> None:
        self.reasons[kind] = reason
        self._count(kind, reason, number)

    def _fake(self, parameters: Any) -> FakeEstimator:
        self.estimators.append(FakeEstimator())
        return self.estimators[-1]

    @property
    def estimator(self) -> FakeEstimator:
        """The newest one."""
        return self.estimators[-1]

    @property
    def counts(self) -> Counter[str]:
        """The node's totals by kind."""
        return self.node._statistics._totals

    def close(self) -> None:
        for estimator in self.estimators:
            estimator.may_go_on.set()
        self._executor.shutdown()
        self.tester.destroy_node()
        self.node.destroy_node()
        self.context.try_shutdown()

    def spin_until(self, what: Callable[[], Any], timeout_s: float = TIMEOUT_S) -> Any:
        """Spin until `what()` is true, and return it; fail after `timeout_s`."""
        deadline = self.tester.get_clock().now().nanoseconds + timeout_s * 1e9
        while not (outcome := what()):
            assert self.tester.get_clock().now().nanoseconds < deadline, f"timed out: {dict(self.counts)}"
            self._executor.spin_once(timeout_sec=0.02)
        return outcome

    def spin_for(self, seconds: float) -> None:
        """Spin for a time: for what must not happen."""
        deadline = self.tester.get_clock().now().nanoseconds + seconds * 1e9
        while self.tester.get_clock().now().nanoseconds < deadline:
            self._executor.spin_once(timeout_sec=0.02)

    def activate(self) -> None:
        """Configure and activate; both must succeed."""
        from rclpy.lifecycle import TransitionCallbackReturn

        assert self.node.trigger_configure() == TransitionCallbackReturn.SUCCESS, self.node._failure
        assert self.node.trigger_activate() == TransitionCallbackReturn.SUCCESS, self.node._failure

    def subscribe(self, topic: str, kind: type, depth: int = 50) -> list[Any]:
        """Subscribe the tester reliably; returns the list that messages are appended to, once matched."""
        messages: list[Any] = self.received.setdefault(topic, [])
        full = f"{self.namespace}/depth/{topic}" if not topic.startswith("/") else topic
        self.tester.create_subscription(kind, full, messages.append, depth)
        self.spin_until(lambda: self.tester.count_publishers(full) > 0)
        if not topic.startswith("/"):
            publishers = self.node._session._outputs._publishers.values()  # type: ignore[union-attr]
            matched = [publisher for publisher in publishers if publisher.topic_name == full]
            self.spin_until(lambda: all(publisher.get_subscription_count() for publisher in matched))
        return messages

    def publisher(self, topic: str, kind: type) -> Any:
        """A reliable publisher of the tester, matched with the active node."""
        if topic not in self._publishers:
            publisher = self.tester.create_publisher(kind, f"{self.namespace}/{topic}", 50)
            self.spin_until(publisher.get_subscription_count)
            self._publishers[topic] = publisher
        return self._publishers[topic]

    def send(self, topic: str, message: Any, counted: str, more: int = 1) -> None:
        """Publish, and wait until the node has counted it (kinds of `FrameStatistics`)."""
        before = self.counts[counted]
        self.publisher(topic, type(message)).publish(message)
        self.spin_until(lambda: self.counts[counted] >= before + more)


@pytest.fixture
def make_bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Bench]]:
    """A function (estimator_factory=None, **parameters) → Bench, with the robot lens unless `lens_file` says other.

    Diagnostics come ten times a second, so that nobody waits for them.
    """
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    from defocus_depth.ros import depth_node

    monkeypatch.setattr(depth_node, "DIAGNOSTICS_PERIOD_S", 0.1)
    benches: list[Bench] = []

    def make(estimator_factory: Callable[[Any], Any] | None = None, **parameters: Any) -> Bench:
        benches.append(Bench(estimator_factory, {**LENS_VALUES, **parameters}))
        return benches[-1]

    yield make
    for bench in benches:
        bench.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    """An active node with a fake estimator and the robot lens."""
    made = make_bench()
    made.activate()
    return made


@pytest.fixture
def make_image() -> Callable[..., Any]:
    """A function (array=…, encoding="rgb8", stamp_ns=…) → sensor_msgs/Image of frame `camera`."""

    def make(array: np.ndarray | None = None, encoding: str = "rgb8", stamp_ns: int = 5_000_000_123) -> Any:
        from builtin_interfaces.msg import Time
        from sensor_msgs.msg import Image
        from std_msgs.msg import Header

        pixels = np.full((24, 32, 3), 128, np.uint8) if array is None else array
        header = Header(frame_id="camera", stamp=Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9))
        message = Image(header=header, height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
        message.step = pixels.nbytes // pixels.shape[0]
        message.data.frombytes(np.ascontiguousarray(pixels).tobytes())
        return message

    return make


@pytest.fixture
def make_lens_state() -> Callable[..., Any]:
    """A function (focus_distance_m, stamp_ns, velocity=0.0, **others) → sensor_msgs/JointState."""

    def make(focus_distance_m: float, stamp_ns: int = 0, velocity: float | None = None, **others: float) -> Any:
        from builtin_interfaces.msg import Time
        from sensor_msgs.msg import JointState

        message = JointState(name=["focus_distance", *others], position=[focus_distance_m, *others.values()])
        message.header.stamp = Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        if velocity is not None:
            message.velocity = [velocity, *(0.0 for _ in others)]
        return message

    return make
