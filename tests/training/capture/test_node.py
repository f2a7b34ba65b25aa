"""The capture node: one stack per call, lens_state meanwhile, cancelled and resumed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

import rclpy  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.utilities import try_shutdown  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402

from defocus_depth.errors import ConfigError  # noqa: E402
from defocus_depth.messages.lens_state import lens_state_from  # noqa: E402
from defocus_depth.optics.focus_curve import FocusCurve  # noqa: E402
from defocus_depth.optics.lens_file import LensFile, write_lens  # noqa: E402
from defocus_depth.ros.job_node import JobNode  # noqa: E402
from defocus_depth.simulation.rigs import ROBOT  # noqa: E402
from defocus_depth.stacks import read_stack, validate_stack  # noqa: E402
from defocus_training.capture.drivers import simulated  # noqa: E402
from defocus_training.capture.node import CaptureNodeParameters, capture_one  # noqa: E402

_NAMESPACES = itertools.count()


class Bench:
    """The node, a tester that calls it, and the lens states it publishes."""

    def __init__(self, folder: Path) -> None:
        write_lens(
            folder / "lens.yaml", LensFile(ROBOT.lens, focus_curve=FocusCurve("affine", (0.0, 1023.0), (-0.05, 3.4)))
        )
        given = {
            "out": str(folder / "out"),
            "driver": "simulated",
            "lens_file": str(folder / "lens.yaml"),
            "simulated_width_px": 64,
            "near_m": 0.4,
            "far_m": 2.0,
            "count": 3,
            "bag": True,
        }
        namespace = f"/capture_{next(_NAMESPACES)}"
        arguments = [item for name, value in given.items() for item in ("-p", f"{name}:={value}")]
        rclpy.init(args=["--ros-args", "-r", f"__ns:={namespace}", *arguments])
        self.node = JobNode("capture", "capture", CaptureNodeParameters, capture_one)
        self.tester = rclpy.create_node("tester")
        self.states: list[Any] = []
        self.tester.create_subscription(
            JointState, "lens_state", lambda message: self.states.append(lens_state_from(message)), 50
        )
        self._clients = {
            name: self.tester.create_client(Trigger, f"{namespace}/capture/{name}") for name in ("capture", "cancel")
        }
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._executor.add_node(self.tester)
        self.wait(lambda: all(client.service_is_ready() for client in self._clients.values()))
        self.wait(lambda: self.tester.count_publishers(f"{namespace}/lens_state"))

    def ask(self, name: str) -> Any:
        """A future of the service's answer."""
        return self._clients[name].call_async(Trigger.Request())

    def answer(self, name: str) -> Any:
        future = self.ask(name)
        self.wait(future.done)
        return future.result()

    def wait(self, until: Callable[[], Any]) -> None:
        deadline = self.tester.get_clock().now().nanoseconds + 90e9
        while not until():
            assert self.tester.get_clock().now().nanoseconds < deadline
            self._executor.spin_once(timeout_sec=0.02)

    def close(self) -> None:
        self._executor.shutdown()
        self.tester.destroy_node()
        self.node.destroy_node()
        try_shutdown()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def test_each_call_takes_a_stack_and_tells_where_the_lens_is(bench: Bench, tmp_path: Path):
    first, second = bench.answer("capture"), bench.answer("capture")
    assert first.success and first.message.startswith(f"{tmp_path}/out/scene_000: 4 frames")
    assert second.success and "scene_001" in second.message
    stack = read_stack(tmp_path / "out" / "scene_000")
    assert validate_stack(stack.path) == [] and stack.metric and stack.source["node"] is True
    assert (tmp_path / "out" / "scene_000.mcap").stat().st_size > 1000
    moving = [state.travelling for state in bench.states]
    assert moving == [True, False] * (len(moving) // 2)
    start_m = 1e9  # the simulated motor stands at 0, where this curve focuses beyond infinity
    assert bench.states[-1].focus_distance_m > start_m  # driven back and told
    told = [state.focus_distance_m for state in bench.states if not state.travelling]
    assert told[1:4] == pytest.approx([frame.focus_distance_m for frame in stack.frames[:3]])


def test_a_cancelled_capture_keeps_its_frames_and_the_next_call_goes_on(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    really = simulated.SimulatedBench.picture
    pictures = itertools.count()

    def slow(self: Any) -> Any:
        if next(pictures) > 12:
            __import__("time").sleep(0.3)
        return really(self)

    monkeypatch.setattr(simulated.SimulatedBench, "picture", slow)
    running = bench.ask("capture")
    unfinished = tmp_path / "out" / ".unfinished" / "scene_000"
    bench.wait(lambda: list(unfinished.glob("*.png")))
    busy = bench.answer("capture")
    assert not busy.success and "expected an idle node, one is running" in busy.message
    assert bench.answer("cancel").success
    bench.wait(running.done)
    assert not running.result().success and "cancelled; the frames so far are kept" in running.result().message
    bench.wait(lambda: bench.states[-1].focus_distance_m > 1e9 and not bench.states[-1].travelling)
    kept = {path.name: path.read_bytes() for path in unfinished.glob("*.png")}
    monkeypatch.undo()
    assert bench.answer("capture").success
    taken = tmp_path / "out" / "scene_000"
    assert kept and {name: (taken / name).read_bytes() for name in kept} == kept
    idle = bench.answer("cancel")
    assert not idle.success and "nothing is running" in idle.message


def test_what_cannot_be_captured_is_answered_and_the_node_lives(bench: Bench):
    assert bench.node.set_parameters([Parameter("near_m", value=0.1)])[0].successful
    refused = bench.answer("capture")
    assert not refused.success and "focus distance: expected" in refused.message
    assert not bench.node.set_parameters([Parameter("count", value=1)])[0].successful
    assert bench.node.set_parameters([Parameter("near_m", value=0.4)])[0].successful
    assert bench.answer("capture").success


def test_parameters_become_devices_and_a_request():
    values = CaptureNodeParameters(driver="ros_parameter", locks="AfMode=0 AeEnable=false", near_m=0.3)
    devices = values.devices("/cam/image", "/cam/info")
    assert devices.ros.image == "/cam/image" and devices.ros.locks == ("AfMode=0", "AeEnable=false")
    request = values.request()
    assert (request.sweep.near_m, request.sweep.far_m, request.lens_file) == (0.3, None, None)
    with pytest.raises(ConfigError, match="driver: expected simulated, v4l2, ros_parameter, i2c_vcm, got 'manual'"):
        CaptureNodeParameters(driver="manual")
