"""Nothing that is measured begins before the depth node has found who listens to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

import rclpy  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue  # noqa: E402
from rclpy.context import Context  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from defocus_depth.errors import ProcessError  # noqa: E402
from defocus_depth.ros import demo_session, online  # noqa: E402
from defocus_depth.ros.diagnostics import WATCHED  # noqa: E402
from defocus_depth.ros.replay import ReplaySettings  # noqa: E402


@pytest.fixture
def node(ros_domain: int) -> Iterator[Any]:
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node("session_start_test", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def _diagnosis(**figures: str) -> DiagnosticArray:
    values = [KeyValue(key=key, value=value) for key, value in figures.items()]
    return DiagnosticArray(status=[DiagnosticStatus(name="/depth: depth from defocus", values=values)])


def test_the_diagnostics_count_the_maps_that_somebody_listens_to(bench) -> None:
    said: list[str] = []
    bench.tester.create_subscription(
        DiagnosticArray, "/diagnostics", lambda message: said.append(_watched(message)), 10
    )
    bench.spin_until(lambda: "0" in said)
    bench.subscribe("depth/image", Image)
    bench.subscribe("confidence/image", Image)
    bench.spin_until(lambda: said[-1] == "2")


def _watched(message: DiagnosticArray) -> str:
    return next(pair.value for status in message.status for pair in status.values if pair.key == WATCHED)


def test_the_demo_listens_to_images_once_the_node_reaches_all_it_records(node) -> None:
    watch = demo_session._Watch(node)
    outputs = len(demo_session.OUTPUTS)
    for figures in ({}, {"state": "active"}, {WATCHED: str(outputs - 1)}):
        watch._diagnosed(_diagnosis(**figures))
        assert node.count_subscribers("image") == 0
    watch._diagnosed(_diagnosis(**{WATCHED: str(outputs)}))
    watch._diagnosed(_diagnosis(**{WATCHED: str(outputs)}))
    assert node.count_subscribers("image") == 1
    assert set(watch.recorder.arrivals) == {topic.name for topic in demo_session.TOPICS}


@pytest.fixture
def make_watch(node) -> Callable[[float], online._Watch]:
    def make(patience_s: float) -> online._Watch:
        return online._Watch(node, online.OnlineSettings(ReplaySettings(), "/image", patience_s=patience_s))

    return make


def test_a_replay_begins_when_the_node_reaches_the_recorder(make_watch) -> None:
    watch = make_watch(60.0)
    watch._diagnosed(_diagnosis(state="active", **{WATCHED: "2"}))
    waiting = threading.Thread(target=watch.wait_until_ready, args=(lambda: 1,))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    watch._diagnosed(_diagnosis(state="active", **{WATCHED: "3"}))
    waiting.join(30)
    assert not waiting.is_alive()


def test_a_replay_says_what_it_waited_for(make_watch) -> None:
    watch = make_watch(0.05)
    watch._diagnosed(_diagnosis(state="active", **{WATCHED: "2"}))
    with pytest.raises(ProcessError, match=r"got state 'active', 1 subscribers to its images, 2 of 3 maps"):
        watch.wait_until_ready(lambda: 1)
