from __future__ import annotations

import pytest

pytest.importorskip("diagnostic_msgs", reason="ROS message packages are not installed")

from builtin_interfaces.msg import Time  # noqa: E402
from diagnostic_msgs.msg import DiagnosticStatus  # noqa: E402

from defocus_depth.ros.diagnostics import FAULTS, LOSSES, NodeFacts, diagnostic_array  # noqa: E402
from defocus_depth.ros.frame_statistics import FrameStatistics, PublishedFrame  # noqa: E402


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Second:
    """One second of an active node; `status()` is what the diagnostics say of it."""

    def __init__(self, state: str = "active", failure: str = "", silent_s: float = 0.0) -> None:
        self._clock = Clock()
        self.frames = FrameStatistics(self._clock)
        self.frames.watch(active=state == "active")
        self._silent_s = silent_s
        self._facts = NodeFacts(state, failure, "/camera/image", 2.0, {"backend": "openvino", "model sha256": "abc"})

    def publish(self, number: int) -> None:
        for _ in range(number):
            self.frames.image_arrived()
            self.frames.frame_published(PublishedFrame(0.010, 0.030, 0.125))
            self.frames.image_done()

    def status(self) -> DiagnosticStatus:
        self._clock.now += 1.0 + self._silent_s
        window = self.frames.take_window()
        message = diagnostic_array("/robot/depth", window, self._facts, Time(sec=7))
        assert message.header.stamp.sec == 7
        return list(message.status)[0]


def figures(status: DiagnosticStatus) -> dict[str, str]:
    return {value.key: value.value for value in status.values}


def test_a_good_second_is_ok_with_all_figures() -> None:
    second = Second()
    second.publish(20)
    status = second.status()
    assert (status.level, status.message) == (DiagnosticStatus.OK, "publishing at 20.0 Hz")
    assert (status.name, status.hardware_id) == ("/robot/depth: depth from defocus", "/camera/image")
    expected = {
        "state": "active",
        "backend": "openvino",
        "model sha256": "abc",
        "image rate (Hz)": "20.00",
        "depth rate (Hz)": "20.00",
        "latency median (ms)": "10.0",
        "latency p95 (ms)": "10.0",
        "age median (ms)": "30.0",
        "age p95 (ms)": "30.0",
        "invalid ratio": "0.1250",
        "images received": "20",
        "frames published": "20",
    }
    assert expected.items() <= figures(status).items()


@pytest.mark.parametrize("kind", ["replaced", "lost", "unwatched"])
def test_drops_are_counted_and_are_no_fault(kind: str) -> None:
    second = Second()
    second.publish(3)
    second.frames.count(kind, number=4)
    status = second.status()
    assert status.level == DiagnosticStatus.OK
    assert figures(status)[f"images {LOSSES[kind]}"] == "4"


@pytest.mark.parametrize("kind", [kind for kind in LOSSES if kind not in ("replaced", "lost", "unwatched")])
def test_refusals_warn_while_others_get_through_and_are_an_error_when_none_does(kind: str) -> None:
    second = Second()
    second.publish(3)
    second.frames.count(kind, "the reason")
    status = second.status()
    assert status.level == DiagnosticStatus.WARN
    assert status.message == f"1 {LOSSES[kind]}: the reason"
    assert figures(status)[f"last {kind}"] == "the reason"
    assert figures(status)[f"images {LOSSES[kind]}"] == "1"
    second.frames.count(kind, "the reason")
    assert second.status().level == DiagnosticStatus.ERROR
    second.publish(1)
    recovered = second.status()
    assert recovered.level == DiagnosticStatus.OK
    assert figures(recovered)[f"images {LOSSES[kind]}"] == "2"


@pytest.mark.parametrize("kind", FAULTS)
def test_faults_that_cost_no_frame_warn(kind: str) -> None:
    second = Second()
    second.frames.count(kind, "the reason")
    status = second.status()
    assert (status.level, status.message) == (DiagnosticStatus.WARN, f"1 {FAULTS[kind]}: the reason")


def test_an_idle_second_says_what_is_waited_for() -> None:
    assert Second().status().message == "waiting for images on /camera/image"
    second = Second()
    second.frames.count("unwatched")
    assert (second.status().level, second.frames.take_window().totals["unwatched"]) == (DiagnosticStatus.OK, 1)
    second.frames.count("unwatched")
    assert second.status().message == "no subscriber"


def test_stale_input_is_an_error_only_after_the_time_set() -> None:
    assert Second(silent_s=0.5).status().level == DiagnosticStatus.OK
    status = Second(silent_s=2.5).status()
    assert status.level == DiagnosticStatus.ERROR
    assert status.message == "stale input: no image on /camera/image for 3.5 s"


def test_an_inactive_node_is_ok_and_one_that_could_not_be_configured_is_not() -> None:
    assert (Second("inactive").status().level, Second("inactive").status().message) == (DiagnosticStatus.OK, "inactive")
    failed = Second("unconfigured", "model.onnx: expected a model file").status()
    assert (failed.level, failed.message) == (DiagnosticStatus.ERROR, "model.onnx: expected a model file")


def test_images_that_arrive_and_never_get_through_are_an_error() -> None:
    second = Second()
    second.frames.image_arrived()
    status = second.status()
    assert (status.level, status.message) == (DiagnosticStatus.OK, "working on an image")
    second.frames.image_arrived()
    second.frames.image_arrived()
    second.status()
    second.frames.image_arrived()
    status = second.status()
    assert status.level == DiagnosticStatus.ERROR
    assert status.message == "stuck: images arrive, and none got through for 3.0 s"
    second.frames.image_done()
    assert second.status().message == "waiting for images on /camera/image"


def test_what_an_inactive_node_did_not_finish_is_no_error() -> None:
    second = Second()
    second.frames.image_arrived()
    second.frames.watch(active=False)
    second.frames.watch(active=True)
    assert second.status().message == "waiting for images on /camera/image"
