"""What the recorder keeps: bytes, stamps and arrival times, of every nth stamp where asked."""

import time

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

import rclpy  # noqa: E402
from builtin_interfaces.msg import Time  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from defocus_depth.ros.recorder import Recorder, Wanted, header_stamp_ns  # noqa: E402


def _image(index: int) -> Image:
    image = Image(header=Header(stamp=Time(sec=1_700_000_000, nanosec=index), frame_id="c"), height=1, width=4, step=4)
    image.data.frombytes(bytes([index] * 4))
    return image


def test_reads_the_stamp_without_deserialising():
    assert header_stamp_ns(bytes(serialize_message(_image(7)))) == 1_700_000_000 * 10**9 + 7
    big_endian = b"\0\0\0\0" + (5).to_bytes(4, "big") + (6).to_bytes(4, "big")
    assert header_stamp_ns(big_endian) == 5 * 10**9 + 6


@pytest.fixture
def node(ros_domain):
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node("recorder_test", context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_keeps_all_of_one_topic_and_the_same_thirds_of_another(node):
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    heard = []
    recorder = Recorder(node, [Wanted("all", Image), Wanted("thirds", Image, every=3)], heard.append)
    publishers = [node.create_publisher(Image, name, 50) for name in ("all", "thirds")]
    deadline = time.monotonic() + 20
    while not all(publisher.get_subscription_count() for publisher in publishers):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    before_ns = time.time_ns()
    sent = 0
    for index in range(10):
        for publisher in publishers:
            if index == 1 and publisher.topic_name == "/all":
                continue  # lost on the way
            publisher.publish(_image(index))
            sent += 1
            while len(heard) < sent:
                assert time.monotonic() < deadline
                executor.spin_once(timeout_sec=0.02)
    base_ns = 1_700_000_000 * 10**9
    assert [message.stamp_ns - base_ns for message in recorder.messages["all"]] == [0, 2, 3, 4, 5, 6, 7, 8, 9]
    assert [message.stamp_ns - base_ns for message in recorder.messages["thirds"]] == [0, 3, 6, 9]
    assert recorder.arrivals == {"all": 9, "thirds": 10}
    assert recorder.messages["thirds"][1].cdr == bytes(serialize_message(_image(3)))
    assert all(before_ns <= message.received_ns <= time.time_ns() for message in recorder.messages["all"])
