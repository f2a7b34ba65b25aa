"""A bag played over DDS arrives byte for byte."""

import contextlib
import threading
import time
from types import SimpleNamespace

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from rosgraph_msgs.msg import Clock
from std_msgs.msg import String

from defocus_depth.commands import replay as command
from defocus_depth.errors import BagError, ConfigError

STORE = get_typestore(Stores.ROS2_JAZZY)


@pytest.fixture
def bag(tmp_path):
    """Five strings on /words and one message of a type that nobody has."""
    path = tmp_path / "bag"
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        words = writer.add_connection("/words", "std_msgs/msg/String", typestore=STORE)
        strange = writer.add_connection("/strange", "no_such_msgs/msg/Thing", msgdef="int8 x\n", rihs01="RIHS01_0")
        written = []
        for index in range(5):
            string = STORE.types["std_msgs/msg/String"]
            written.append(bytes(STORE.serialize_cdr(string(f"word {index}"), "std_msgs/msg/String")))
            writer.write(words, 10**9 + index * 50_000_000, written[-1])
        writer.write(strange, 10**9 + 250_000_000, b"\0\1\0\0\7")
    return SimpleNamespace(path=path, written=written)


@pytest.fixture
def heard(ros_domain):
    """Raw messages and clock times that a node in its own context receives."""
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node("listener", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    received, clock = [], []

    def tick(message: Clock) -> None:
        clock.append(message.clock.sec * 10**9 + message.clock.nanosec)

    def spin() -> None:
        with contextlib.suppress(ExternalShutdownException):
            executor.spin()

    node.create_subscription(String, "/heard", received.append, 10, raw=True)
    node.create_subscription(Clock, "/clock", tick, 10)
    thread = threading.Thread(target=spin)
    thread.start()
    yield SimpleNamespace(words=received, clock=clock)
    rclpy.shutdown(context=context)
    thread.join()
    node.destroy_node()


def _until(condition, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_messages_arrive_byte_for_byte_under_a_new_name(bag, heard, tmp_path, capsys):
    figures = tmp_path / "figures.json"
    options = command.Options(
        bag.path, clock_hz=50, remap=("/words:=/heard",), wait_for_subscribers_s=10, json=figures, rate=2.0
    )
    assert command.run(options) == 0
    assert _until(lambda: len(heard.words) >= 5)
    assert heard.words == bag.written
    assert heard.clock == sorted(heard.clock) and heard.clock[0] == 10**9 and heard.clock[-1] >= 10**9 + 200_000_000
    assert "no_such_msgs/msg/Thing is not installed" in capsys.readouterr().out.replace("\n", " ")
    assert '"/words": 5' in figures.read_text()


def test_what_cannot_be_played_is_refused(bag):
    with pytest.raises(BagError, match=r"expected topics out of \['/strange', '/words'\], got \['/none'\]"):
        command.run(command.Options(bag.path, topics=("/none",)))
    with pytest.raises(BagError, match="expected a topic of an installed message type, got .*/strange"):
        command.run(command.Options(bag.path, topics=("/strange",)))
    for rule in ("/image", "/a=/b", ":=/b"):
        with pytest.raises(ConfigError, match=f"--remap: expected FROM:=TO, got '{rule}'"):
            command.run(command.Options(bag.path, remap=(rule,)))
    with pytest.raises(ConfigError, match="rate: expected a finite number > 0, got 0"):
        command.run(command.Options(bag.path, rate=0.0))
