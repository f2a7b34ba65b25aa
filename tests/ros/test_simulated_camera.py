"""The simulated camera as a process over DDS: what it publishes, how it travels, what it refuses, how it ends."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

import rclpy  # noqa: E402
from rcl_interfaces.srv import SetParametersAtomically  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, JointState  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from defocus_depth.errors import ConfigError  # noqa: E402
from defocus_depth.messages.decode import decode_image  # noqa: E402
from defocus_depth.ros.processes import NodeProcess  # noqa: E402
from defocus_depth.ros.simulated_camera import (  # noqa: E402
    SimulatedCameraParameters,
    camera_info_message,
    lens_state_message,
)
from defocus_depth.simulation.rigs import ROBOT  # noqa: E402
from defocus_depth.simulation.tour import Tour, TourOptions  # noqa: E402

TOPICS = {"image": Image, "ground_truth/depth/image": Image, "camera_info": CameraInfo, "lens_state": JointState}
SMALL = {"width_px": 64, "scenes": 1, "views_per_scene": 2, "samples_per_pixel": 1, "wait_for_subscribers": 1}
TIMEOUT_S = 60.0


class Listener:
    """Everything that the camera publishes, and its parameters."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node("listener", context=self.context)
        self.received: dict[str, list[Any]] = defaultdict(list)
        for name, kind in TOPICS.items():
            self.node.create_subscription(kind, name, self.received[name].append, 50)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def wait(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while not condition():
            assert time.monotonic() < deadline, {name: len(kept) for name, kept in self.received.items()}
            self.executor.spin_once(timeout_sec=0.05)

    def set_focus(self, value: float) -> Any:
        return self.set("focus_distance_m", value)

    def set(self, *names_and_values: Any) -> Any:
        client = self.node.create_client(SetParametersAtomically, "simulated_camera/set_parameters_atomically")
        self.wait(client.service_is_ready)
        pairs = zip(names_and_values[::2], names_and_values[1::2], strict=True)
        changes = [Parameter(name, Parameter.Type.DOUBLE, value).to_parameter_msg() for name, value in pairs]
        future = client.call_async(SetParametersAtomically.Request(parameters=changes))
        self.wait(future.done)
        return future.result().result  # type: ignore[union-attr]

    def close(self) -> None:
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)


@pytest.fixture
def listener(ros_domain: int) -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def camera_process(tmp_path: Path, **parameters: Any) -> NodeProcess:
    values = [part for name, value in (SMALL | parameters).items() for part in ("-p", f"{name}:={value}")]
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    return NodeProcess(
        "defocus_depth.ros.simulated_camera", ["--ros-args", *values], environment, tmp_path / "camera.log"
    )


def test_publishes_the_asked_number_of_matching_messages_and_ends(listener: Listener, tmp_path: Path) -> None:
    with camera_process(tmp_path, frames=4, rate_hz=10.0) as process:
        listener.wait(lambda: not process.running)
        process.check()
    assert {name: len(kept) for name, kept in listener.received.items()} == dict.fromkeys(TOPICS, 4)
    tour = Tour(TourOptions(width_px=64, scenes=1, views_per_scene=2, samples_per_pixel=1), tmp_path)
    for index in range(4):
        image, truth, info, lens = (listener.received[name][index] for name in TOPICS)
        assert image.header == truth.header == info.header == lens.header
        assert (lens.name, list(lens.position), list(lens.velocity)) == (["focus_distance"], [0.35], [0.0])
        expected_image, expected_depth_m = tour.frame(index, 0.35)
        np.testing.assert_array_equal(decode_image(image).array, expected_image)
        depth_m = np.frombuffer(truth.data, np.float32).reshape(truth.height, truth.width)
        np.testing.assert_array_equal(depth_m, expected_depth_m)


def test_travels_to_a_focus_set_at_run_time_and_refuses_impossible_ones(listener: Listener, tmp_path: Path) -> None:
    lens_states = listener.received["lens_state"]
    with camera_process(tmp_path, rate_hz=20.0, travel_dpt_per_s=4.0):
        listener.wait(lambda: len(lens_states) >= 2)
        refused = listener.set_focus(0.005)
        assert not refused.successful and "expected" in refused.reason and "focal length" in refused.reason
        assert listener.set_focus(0.7).successful
        listener.wait(lambda: lens_states[-1].position[0] == pytest.approx(0.7))
    travelling = [state for state in lens_states if state.velocity[0] != 0]
    assert travelling and all(0.35 < state.position[0] < 0.7 and state.velocity[0] > 0 for state in travelling)
    assert lens_states[-1].velocity[0] == 0


def test_a_bad_parameter_at_start_is_one_line_and_exit_code_2(tmp_path: Path, ros_domain: int) -> None:
    with camera_process(tmp_path, rig="toaster") as process:
        deadline = time.monotonic() + TIMEOUT_S
        while process.running:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert "rig: expected" in process.last_words() and "toaster" in process.last_words()


def test_lens_state_gives_the_rate_in_metres() -> None:
    near, later = 2.0, 1.99  # dioptres, a hundredth of a second apart at −1 dpt/s
    message = lens_state_message(Header(), 1 / near, -1.0)
    assert message.velocity[0] == pytest.approx((1 / later - 1 / near) / 0.01, rel=0.01)
    assert lens_state_message(Header(), math.inf, 1.0).position[0] == math.inf


def test_camera_info_holds_the_rigs_intrinsics() -> None:
    camera = ROBOT.at_size(64, 48).camera
    info = camera_info_message(Header(), camera)
    assert (info.width, info.height, info.distortion_model) == (64, 48, "plumb_bob")
    assert list(info.k) == [camera.fx, 0, camera.cx, 0, camera.fy, camera.cy, 0, 0, 1]
    assert list(info.p) == [camera.fx, 0, camera.cx, 0, 0, camera.fy, camera.cy, 0, 0, 0, 1, 0]


def test_breathing_is_seen_in_camera_info_and_too_much_of_it_refused(listener: Listener, tmp_path: Path) -> None:
    infos, lens_states = listener.received["camera_info"], listener.received["lens_state"]
    with camera_process(tmp_path, rate_hz=20.0, travel_dpt_per_s=100.0, breathing_per_dpt=0.1):
        listener.wait(lambda: len(infos) >= 2)
        assert infos[-1].k[0] == pytest.approx(ROBOT.at_size(64, 48).camera.fx)
        assert listener.set_focus(1.0).successful
        listener.wait(
            lambda: lens_states[-1].position[0] == pytest.approx(1.0) and infos[-1].header == lens_states[-1].header
        )
        expected = ROBOT.at_size(64, 48).camera.fx * (1 + 0.1 * (1 - 1 / 0.35))
        assert infos[-1].k[0] == pytest.approx(expected)
        refused = listener.set("breathing_per_dpt", 0.2, "focus_distance_m", math.inf)
        assert not refused.successful and "breathing_per_dpt: expected an image at least 0.5" in refused.reason


def test_a_signal_while_scenes_are_rendered_ends_the_camera(tmp_path: Path, ros_domain: int) -> None:
    with camera_process(tmp_path, scenes=50, views_per_scene=100, samples_per_pixel=64) as process:
        deadline = time.monotonic() + TIMEOUT_S
        while "rendered" not in process.last_words():
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert not process.running
    assert not list(tmp_path.rglob("*.npy")) and not list(tmp_path.rglob("*.partial"))


def test_every_parameter_is_checked() -> None:
    with pytest.raises(ConfigError, match="rate_hz: expected 0.1..500, got 0.0"):
        SimulatedCameraParameters(rate_hz=0.0)
    assert SimulatedCameraParameters(scenes=3, width_px=128).tour() == TourOptions(width_px=128, scenes=3)
    assert SimulatedCameraParameters().focus_m(ROBOT) == ROBOT.near_focus_m
    assert SimulatedCameraParameters(focus_distance_m=math.inf).focus_m(ROBOT) == math.inf
