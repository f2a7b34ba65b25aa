"""Focus through a camera node's parameter, pictures from its topic: the node is late, refuses and disappears."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

import rclpy  # noqa: E402
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.qos import qos_profile_sensor_data  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from defocus_depth.errors import ConfigError, DeviceError  # noqa: E402
from defocus_training.capture.devices import CaptureRig, SystemClock  # noqa: E402
from defocus_training.capture.drivers import ros_parameter, ros_topic_camera  # noqa: E402
from defocus_training.capture.drivers.options import DeviceOptions, RosOptions  # noqa: E402
from defocus_training.capture.drivers.ros_parameter import parsed_lock  # noqa: E402
from defocus_training.capture.step import StepOptions, take_step  # noqa: E402

_NUMBERS = itertools.count()
LATE_PICTURES = 3


class FakeCameraNode:
    """Publishes grey pictures that follow its focus some pictures late; takes even values of focus only."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(args=[], context=self.context)
        self.name = f"camera_{next(_NUMBERS)}"
        self.node = rclpy.create_node(self.name, context=self.context)
        whole = ParameterDescriptor(integer_range=[IntegerRange(from_value=0, to_value=200, step=2)])
        real = ParameterDescriptor(floating_point_range=[FloatingPointRange(from_value=0.0, to_value=8.0)])
        self.node.declare_parameter("focus", 40, whole)
        self.node.declare_parameter("LensPosition", 1.0, real)
        self.node.declare_parameter("unlimited", 1.0)
        self.node.declare_parameter("AeEnable", True)
        self.node.add_on_set_parameters_callback(self._on_set)
        self.shown, self.encoding = [40] * LATE_PICTURES, "mono8"
        self.image = self.node.create_publisher(Image, f"{self.name}/image", qos_profile_sensor_data)
        self.info = self.node.create_publisher(CameraInfo, f"{self.name}/camera_info", qos_profile_sensor_data)
        self.node.create_timer(0.02, self._publish)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _on_set(self, changes) -> SetParametersResult:
        if any(change.name == "focus" and change.value == 66 for change in changes):
            return SetParametersResult(successful=False, reason="the motor is stuck")
        return SetParametersResult(successful=True)

    def _publish(self) -> None:
        self.shown = [*self.shown[1:], self.value("focus")]
        image = Image(height=6, width=8, encoding=self.encoding, step=8, data=[self.shown[0]] * 48)
        if self.encoding == "mono16":
            image.width = 4
        info = CameraInfo(height=6, width=8, k=[10.0, 0.0, 3.5, 0.0, 10.0, 2.5, 0.0, 0.0, 1.0])
        image.header.stamp = info.header.stamp = self.node.get_clock().now().to_msg()
        self.info.publish(info)
        self.image.publish(image)

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except Exception:
            pass  # gone

    def value(self, name: str):
        return self.node.get_parameter(name).value

    def close(self) -> None:
        self.context.try_shutdown()
        self._thread.join()


@pytest.fixture
def node() -> Iterator[FakeCameraNode]:
    made = FakeCameraNode()
    yield made
    made.close()


def options(node: FakeCameraNode, parameter: str = "focus", **more) -> DeviceOptions:
    ros = RosOptions(
        f"/{node.name}/image", f"/{node.name}/camera_info", node.name, parameter, settle_s=0.02, timeout_s=8.0
    )
    return DeviceOptions(driver="ros_parameter", ros=RosOptions(**{**vars(ros), **more}))


def test_a_step_waits_for_pictures_of_the_new_focus(node: FakeCameraNode):
    devices = options(node, locks=("AeEnable=false",))
    with CaptureRig(ros_parameter.open_actuator(devices), ros_topic_camera.open_camera(devices), SystemClock()) as rig:
        assert (rig.actuator.range.least, rig.actuator.range.most, rig.actuator.range.step) == (0.0, 200.0, 2.0)
        assert rig.actuator.curve is None and node.value("AeEnable") is False
        step = take_step(rig, 101, StepOptions(1, LATE_PICTURES + 3, motion_px=99, motion_contrast=99), "srgb")
        assert step.position in (100, 102) and np.unique(step.pixels) == [step.position] and step.stamp_ns > 0
        camera = rig.camera.intrinsics()
        assert camera is not None and (camera.width, camera.fx) == (8, 10.0)
    assert node.value("focus") == 40 and node.value("AeEnable") is True  # restored


def test_lens_position_is_in_dioptres(node: FakeCameraNode):
    lens = ros_parameter.open_actuator(options(node, "LensPosition"))
    assert lens.curve is not None and lens.curve.focus_dpt(2.5) == pytest.approx(2.5)
    lens.set_position(2.5)
    assert node.value("LensPosition") == pytest.approx(2.504, abs=0.01) and lens.read_position() == node.value(
        "LensPosition"
    )
    lens.close()
    assert node.value("LensPosition") == 1.0


def test_a_refusal_tells_the_nodes_reason(node: FakeCameraNode):
    lens = ros_parameter.open_actuator(options(node))
    with pytest.raises(DeviceError, match=f"/{node.name}: expected focus to take 66, refused: the motor is stuck"):
        lens.set_position(66)
    lens.close()


def test_a_parameter_without_a_range_needs_one_given(node: FakeCameraNode):
    with pytest.raises(ConfigError, match="unlimited: expected a declared range, or ros.least and ros.most"):
        ros_parameter.open_actuator(options(node, "unlimited", locks=("AeEnable=false",)))
    assert node.value("AeEnable") is True  # given back
    lens = ros_parameter.open_actuator(options(node, "unlimited", least=-1.0, most=3.0, nearer_is_higher=False))
    assert (lens.range.least, lens.range.most, lens.range.nearer_is_higher) == (-1.0, 3.0, False)
    lens.close()


@pytest.mark.parametrize("lock", ["AeEnable=off", "AeEnable=1", "focus=1.7", "focus=near", "focus=true"])
def test_a_lock_of_another_type_is_refused_and_the_others_are_given_back(node: FakeCameraNode, lock: str):
    with pytest.raises(DeviceError, match="expected a value of type (bool|int), got"):
        ros_parameter.open_actuator(options(node, locks=("LensPosition=2", lock)))
    assert (node.value("LensPosition"), node.value("AeEnable"), node.value("focus")) == (1.0, True, 40)


def test_a_signal_that_ends_ros_does_not_keep_the_camera_from_being_given_back(node: FakeCameraNode):
    lens = ros_parameter.open_actuator(options(node, locks=("AeEnable=false",)))
    lens.set_position(100)
    lens._session._context.try_shutdown()  # as rclpy's handler of SIGINT does with all contexts
    lens.close()
    assert node.value("focus") == 40 and node.value("AeEnable") is True


@pytest.mark.parametrize(("encoding", "transfer"), [("mono8", "srgb"), ("mono16", "linear")])
def test_the_pictures_tell_their_transfer_function(node: FakeCameraNode, encoding: str, transfer: str):
    node.encoding = encoding
    camera = ros_topic_camera.open_camera(options(node))
    images = [camera.next_image() for _ in range(20)]
    assert images[-1].transfer == transfer
    camera.close()


def test_a_parameter_that_is_not_there_is_refused(node: FakeCameraNode):
    with pytest.raises(DeviceError, match="expected a parameter 'zoom' with a value, it has none"):
        ros_parameter.open_actuator(options(node, "zoom"))


def test_a_node_that_disappears_is_reported(node: FakeCameraNode):
    devices = options(node, timeout_s=1.0)
    lens, camera = ros_parameter.open_actuator(devices), ros_topic_camera.open_camera(devices)
    camera.next_image()
    node.close()
    with pytest.raises(DeviceError, match="expected a picture within 1 s, none came"):
        for _ in range(100):
            camera.next_image()
    with pytest.raises(DeviceError, match=f"/{node.name}/.*: expected"):
        lens.set_position(10)
    camera.close()
    lens.close()  # whatever cannot be restored is only logged


@pytest.mark.parametrize(
    ("lock", "value"), [("A=true", True), ("A=0", 0), ("A=1.5", 1.5), ("A=auto", "auto"), ("A=b=c", "b=c")]
)
def test_locks_are_parsed(lock: str, value: object):
    assert parsed_lock(lock) == ("A", value) and type(parsed_lock(lock)[1]) is type(value)


def test_a_lock_without_a_value_is_refused():
    with pytest.raises(ConfigError, match="expected NAME=VALUE, got 'AeEnable'"):
        parsed_lock("AeEnable")
