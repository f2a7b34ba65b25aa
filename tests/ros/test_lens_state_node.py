"""The lens state node: focus distance from a motor's position, travelling while it moves."""

from __future__ import annotations

import math
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
from std_msgs.msg import Float64  # noqa: E402

from defocus_depth.errors import ConfigError  # noqa: E402
from defocus_depth.messages.lens_state import LensState, lens_state_from  # noqa: E402
from defocus_depth.optics.focus_curve import FocusCurve  # noqa: E402
from defocus_depth.optics.lens_file import LensFile, write_lens  # noqa: E402
from defocus_depth.ros.lens_state_node import LensStateNode, LensStateNodeParameters, MotorPosition, TravelDetector  # noqa: E402
from defocus_depth.types import LensParameters  # noqa: E402

LENS = LensParameters(8e-3, 1.4, 6e-6)


@pytest.fixture
def lens_file(tmp_path: Path) -> Path:
    curve = FocusCurve("monotone", (0.0, 500.0, 1000.0), (-0.1, 2.0, 4.0))
    write_lens(tmp_path / "lens.yaml", LensFile(LENS, focus_curve=curve))
    return tmp_path / "lens.yaml"


class Bench:
    """The node, a tester, and what was published."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, lens_file: Path) -> None:
        rclpy.init(args=["--ros-args", "-p", f"lens_file:={lens_file}", "-p", "settle_s:=0.15"])
        self.node, self.tester = LensStateNode(), rclpy.create_node("tester")
        self.states: list[LensState] = []
        self.tester.create_subscription(JointState, "lens_state", self._keep, 50)
        self.motor = self.tester.create_publisher(JointState, "motor_state", 50)
        self.position = self.tester.create_publisher(Float64, "motor_position", 50)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._executor.add_node(self.tester)
        self.wait(lambda: self.motor.get_subscription_count() and self.position.get_subscription_count())
        self.wait(lambda: self.tester.count_publishers("lens_state"))

    def _keep(self, message: JointState) -> None:
        self.states.append(lens_state_from(message))

    def wait(self, until: Callable[[], Any]) -> None:
        deadline = self.tester.get_clock().now().nanoseconds + 20e9
        while not until():
            assert self.tester.get_clock().now().nanoseconds < deadline
            self._executor.spin_once(timeout_sec=0.02)

    def send(self, position: float, velocity: float | None = None, joint: str = "focus") -> LensState:
        """Publish a motor state and return what comes of it."""
        before = len(self.states)
        speeds = [] if velocity is None else [velocity]
        self.motor.publish(JointState(name=[joint], position=[position], velocity=speeds))
        self.wait(lambda: len(self.states) > before)
        return self.states[before]

    def close(self) -> None:
        self._executor.shutdown()
        self.tester.destroy_node()
        self.node.destroy_node()
        try_shutdown()


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, lens_file: Path) -> Iterator[Bench]:
    made = Bench(monkeypatch, lens_file)
    yield made
    made.close()


def test_positions_become_distances_through_the_curve(bench: Bench) -> None:
    for position, distance_m in ((500.0, 0.5), (750.0, 1 / 3), (0.0, math.inf)):
        state = bench.send(position, velocity=0.0)
        assert state.focus_distance_m == pytest.approx(distance_m) and not state.travelling
        assert state.stamp_ns > 0


def test_a_motor_that_tells_its_velocity_is_believed(bench: Bench) -> None:
    assert bench.send(500.0, velocity=-20.0).travelling
    assert not bench.send(510.0, velocity=0.0).travelling


def test_a_motor_without_velocity_rests_once_its_position_stays(bench: Bench) -> None:
    bench.position.publish(Float64(data=500.0))
    bench.wait(lambda: len(bench.states) >= 2)
    assert [state.travelling for state in bench.states] == [True, False]  # what was before the first is not known
    bench.position.publish(Float64(data=600.0))
    bench.wait(lambda: len(bench.states) >= 4)
    moving, resting = bench.states[2:4]  # the second comes by itself
    assert moving.travelling and not resting.travelling
    assert moving.focus_distance_m == resting.focus_distance_m == pytest.approx(1 / 2.4)
    assert resting.stamp_ns - moving.stamp_ns > 0.1e9


def test_what_is_outside_the_curve_or_another_joint_is_not_published(bench: Bench) -> None:
    bench.motor.publish(JointState(name=["focus"], position=[2000.0], velocity=[0.0]))
    bench.motor.publish(JointState(name=["zoom"], position=[500.0], velocity=[0.0]))
    assert bench.send(500.0, 0.0).focus_distance_m == pytest.approx(0.5)
    assert len(bench.states) == 1


def test_another_lens_file_holds_at_once_and_a_bad_one_is_refused(bench: Bench, tmp_path: Path) -> None:
    write_lens(tmp_path / "none.yaml", LensFile(LENS))
    (result,) = bench.node.set_parameters([Parameter("lens_file", value=str(tmp_path / "none.yaml"))])
    assert not result.successful and "focus_curve: expected one, got none" in result.reason
    write_lens(tmp_path / "other.yaml", LensFile(LENS, focus_curve=FocusCurve("affine", (0.0, 1000.0), (0.0, 8.0))))
    (result,) = bench.node.set_parameters([Parameter("lens_file", value=str(tmp_path / "other.yaml"))])
    assert result.successful and bench.send(500.0, 0.0).focus_distance_m == pytest.approx(0.25)


def test_without_a_lens_file_the_node_does_not_start() -> None:
    rclpy.init(args=[])
    try:
        with pytest.raises(ConfigError, match="expected a lens YAML with a focus_curve, got nothing"):
            LensStateNode()
    finally:
        try_shutdown()
    with pytest.raises(ConfigError, match="settle_s: expected 0..60"):
        LensStateNodeParameters(settle_s=-1.0)


def test_small_changes_may_be_called_rest() -> None:
    detector = TravelDetector()
    assert detector.travelling(10.0, 0.0, 0.1, 2.0)
    assert not detector.travelling(11.5, 0.1, 0.1, 2.0)
    assert detector.travelling(13.0, 0.2, 0.1, 2.0)
    assert detector.travelling(13.0, 0.25, 0.1, 2.0)
    assert not detector.travelling(13.0, 0.35, 0.1, 2.0)


def test_what_the_driver_does_not_know_is_no_position_and_no_velocity(bench: Bench, tmp_path: Path) -> None:
    write_lens(tmp_path / "line.yaml", LensFile(LENS, focus_curve=FocusCurve("affine", (0.0, 1000.0), (0.0, 8.0))))
    bench.node.set_parameters([Parameter("lens_file", value=str(tmp_path / "line.yaml"))])
    for unknown in (math.nan, math.inf, -math.inf):
        bench.motor.publish(JointState(name=["focus"], position=[unknown], velocity=[0.0]))
    assert bench.send(500.0, velocity=math.nan).focus_distance_m == pytest.approx(0.25)
    bench.wait(lambda: len(bench.states) >= 2)
    assert [state.travelling for state in bench.states] == [True, False]


def test_states_have_the_stamp_of_the_motor_also_when_it_came_to_rest(bench: Bench) -> None:
    told = JointState(name=["focus"], position=[500.0])
    told.header.stamp.sec = 1000  # of a bag: long past
    bench.motor.publish(told)
    bench.wait(lambda: len(bench.states) >= 2)
    moving, resting = bench.states
    assert (moving.stamp_ns, moving.travelling, resting.travelling) == (1000 * 10**9, True, False)
    assert 0.1e9 < resting.stamp_ns - moving.stamp_ns < 20e9


def test_a_stamp_of_before_all_clocks_is_none(bench: Bench) -> None:
    told = JointState(name=["focus"], position=[500.0], velocity=[0.0])
    told.header.stamp.sec = -1
    bench.motor.publish(told)
    bench.wait(lambda: bench.states)
    assert bench.states[0].stamp_ns > 0
    assert MotorPosition(500.0, 5, 10**12).still_there_at(7).stamp_ns == 0


@pytest.mark.parametrize("beyond", [1010.0, math.nan])
def test_a_motor_that_leaves_the_curve_is_under_way_not_where_it_was(bench: Bench, beyond: float) -> None:
    assert not bench.send(500.0, 0.0).travelling
    lost = bench.send(beyond, 0.0)
    assert lost.travelling and lost.focus_distance_m == pytest.approx(bench.states[0].focus_distance_m)
    assert not bench.send(500.0, 0.0).travelling
