"""A bag as a stream of raw messages: every storage, broken in every usual way."""

import sqlite3
import struct
from typing import Any

import numpy as np
import pytest
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from defocus_depth.errors import BagError
from defocus_depth.evaluation.bags.reader import RecordedMessage, is_converted, open_bag
from defocus_depth.messages.header import header_stamp_ns

STORE = get_typestore(Stores.ROS2_HUMBLE)
STRING = STORE.types["std_msgs/msg/String"]
FOREVER = QosTime(2147483647, 4294967295)


def _qos(reliability: QosReliability, durability: QosDurability) -> Qos:
    liveliness = QosLiveliness.AUTOMATIC
    return Qos(QosHistory.KEEP_LAST, 7, reliability, durability, FOREVER, FOREVER, liveliness, FOREVER, False)


@pytest.fixture(params=[StoragePlugin.MCAP, StoragePlugin.SQLITE3], ids=["mcap", "sqlite3"])
def bag(tmp_path, request):
    """Ten strings on /fast at 10 Hz from t = 100 s, best effort, and one latched on /slow; with their bytes."""
    path, written = tmp_path / "bag", []
    with Writer(path, version=9, storage_plugin=request.param) as writer:
        qos = [_qos(QosReliability.BEST_EFFORT, QosDurability.VOLATILE)]
        fast = writer.add_connection("/fast", STRING.__msgtype__, typestore=STORE, offered_qos_profiles=qos)
        qos = [_qos(QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL)]
        slow = writer.add_connection("/slow", STRING.__msgtype__, typestore=STORE, offered_qos_profiles=qos)
        for index in range(10):
            connection = slow if index == 5 else fast
            cdr = bytes(STORE.serialize_cdr(STRING(f"message {index}"), STRING.__msgtype__))
            time_ns = 100_000_000_000 + index * 100_000_000
            writer.write(connection, time_ns, cdr)
            written.append(RecordedMessage(connection.topic, time_ns, cdr))
    return path, written


def test_gives_back_every_byte_in_order(bag):
    path, written = bag
    with open_bag(path) as opened:
        assert list(opened.messages(["/fast", "/slow"])) == written
        assert list(opened.messages(["/slow"])) == [written[5]]
        assert list(opened.messages([])) == []
        assert (opened.start_ns, opened.message_count) == (100_000_000_000, 10)
        assert opened.duration_s == pytest.approx(0.9, abs=1e-6)


def test_a_single_file_is_a_bag_too(bag):
    path, written = bag
    (storage,) = (file for file in path.iterdir() if file.suffix in (".mcap", ".db3"))
    with open_bag(storage) as opened:
        assert list(opened.messages(["/fast", "/slow"])) == written


def test_topics_keep_their_quality_of_service(bag):
    with open_bag(bag[0]) as opened:
        fast, slow = opened.topics
    assert (fast.name, fast.type, fast.reliable, fast.latched) == ("/fast", "std_msgs/msg/String", False, False)
    assert (slow.name, slow.reliable, slow.latched, slow.depth) == ("/slow", True, True, 10)


def test_what_is_not_there_or_no_bag(tmp_path):
    with pytest.raises(
        BagError, match="nothing.mcap: expected a rosbag2 folder, .mcap, .db3 or .bag file, found nothing"
    ):
        with open_bag(tmp_path / "nothing.mcap"):
            pass
    for name in ("text.mcap", "text.db3", "text.txt", "text.bag"):
        (tmp_path / name).write_text("not a bag")
        with pytest.raises(BagError, match=f"{name}: expected a readable recording"), open_bag(tmp_path / name):
            pass
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(BagError, match="folder: expected metadata.yaml, or exactly one .mcap or .db3 file, got"):
        with open_bag(folder):
            pass


def test_a_truncated_bag_is_one_clear_error(bag):
    path, _ = bag
    (storage,) = (file for file in path.iterdir() if file.suffix in (".mcap", ".db3"))
    storage.write_bytes(storage.read_bytes()[: storage.stat().st_size // 2])
    with pytest.raises(BagError, match="bag: expected a readable recording") as refused:
        with open_bag(path) as opened:
            list(opened.messages(["/fast", "/slow"]))
    assert refused.value.__cause__ is not None


def test_an_error_of_the_caller_stays_what_it_is(bag):
    with pytest.raises(sqlite3.Error), open_bag(bag[0]):
        raise sqlite3.OperationalError("the caller's own")


def _storage_of(path):
    (storage,) = (file for file in path.iterdir() if file.suffix in (".mcap", ".db3"))
    return storage


def test_the_folder_may_lack_its_metadata(bag):
    path, written = bag
    (path / "metadata.yaml").unlink()
    with open_bag(path) as opened:
        assert list(opened.messages(["/fast", "/slow"])) == written
    storage = _storage_of(path)
    (path / f"second{storage.suffix}").write_bytes(storage.read_bytes())
    with pytest.raises(BagError, match="exactly one .mcap or .db3 file, got neither but 2 .*ros2 bag reindex"):
        with open_bag(path):
            pass


def test_a_truncated_mcap_names_the_remedy(bag):
    storage = _storage_of(bag[0])
    if storage.suffix != ".mcap":
        pytest.skip("of mcap only")
    storage.write_bytes(storage.read_bytes()[:-20])
    with pytest.raises(BagError, match="truncated.*mcap recover"), open_bag(storage):
        pass


def test_an_mcap_without_index_is_read_all_the_same(bag):
    path, written = bag
    storage = _storage_of(path)
    if storage.suffix != ".mcap":
        pytest.skip("of mcap only")
    content = storage.read_bytes()
    magic, footer_bytes = content[:8], 29
    (summary,) = struct.unpack("<Q", content[-8 - footer_bytes + 9 : -8 - footer_bytes + 17])
    assert summary
    footer = b"\x02" + struct.pack("<QQQI", 20, 0, 0, 0)
    storage.write_bytes(content[:summary] + footer + magic)
    with open_bag(storage) as opened:
        assert list(opened.messages(["/fast", "/slow"])) == written
        assert {topic.name for topic in opened.topics} == {"/fast", "/slow"}


def test_message_types_that_nobody_knows_are_left_alone(tmp_path):
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        strange = writer.add_connection(
            "/odd", "odd_msgs/msg/Odd", msgdef="this is: no { definition", rihs01="RIHS01_0"
        )
        plain = writer.add_connection("/fast", STRING.__msgtype__, typestore=STORE)
        writer.write(strange, 1, b"\0\1\0\0?")
        cdr = bytes(STORE.serialize_cdr(STRING("plain"), STRING.__msgtype__))
        writer.write(plain, 2, cdr)
    with open_bag(tmp_path / "bag") as opened:
        assert list(opened.messages(["/fast"])) == [RecordedMessage("/fast", 2, cdr)]
        assert list(opened.messages(["/odd"])) == [RecordedMessage("/odd", 1, b"\0\1\0\0?")]


@pytest.fixture
def ros1_bag(tmp_path):
    """Three images with a header of ROS 1 (it counts them), and one message of a type that is no standard."""
    noetic, path = get_typestore(Stores.ROS1_NOETIC), tmp_path / "old.bag"
    types = noetic.types
    with Writer1(path) as writer:
        images = writer.add_connection("/camera", "sensor_msgs/msg/Image", typestore=noetic)
        strange = writer.add_connection("/odd", "odd_msgs/msg/Odd", msgdef="uint8 x\n", md5sum="0" * 32)
        for index in range(3):
            stamp = types["builtin_interfaces/msg/Time"](sec=7, nanosec=index)
            header = types["std_msgs/msg/Header"](seq=index, stamp=stamp, frame_id="cam")
            data = np.arange(6, dtype=np.uint8) + index
            message = types["sensor_msgs/msg/Image"](header, 2, 3, "mono8", 0, 3, data)
            raw = bytes(noetic.serialize_ros1(message, "sensor_msgs/msg/Image"))
            writer.write(images, 10**9 + index, raw)
        writer.write(strange, 2 * 10**9, b"?")
    return path


def test_messages_of_ros_1_are_those_that_ros_2_would_have_recorded(ros1_bag):
    with open_bag(ros1_bag) as opened:
        messages = list(opened.messages(["/camera"]))
        assert [(topic.name, topic.count) for topic in opened.topics] == [("/camera", 3), ("/odd", 1)]
        assert [is_converted(topic) for topic in opened.topics] == [True, False]
        with pytest.raises(BagError, match="expected a readable recording.*odd_msgs"):
            list(opened.messages(["/odd"]))
    image: Any = STORE.deserialize_cdr(messages[2].cdr, "sensor_msgs/msg/Image")
    assert (image.header.frame_id, image.header.stamp.nanosec, image.encoding) == ("cam", 2, "mono8")
    np.testing.assert_array_equal(image.data, np.arange(2, 8))
    assert header_stamp_ns(messages[1].cdr) == 7 * 10**9 + 1


def test_a_ros_1_bag_without_index_names_the_remedy(ros1_bag):
    content = ros1_bag.read_bytes()
    position = content.index(b"index_pos=") + len(b"index_pos=")
    ros1_bag.write_bytes(content[:position] + bytes(8) + content[position + 8 :])
    with pytest.raises(BagError, match="without an index: `rosbag reindex` makes one"), open_bag(ros1_bag):
        pass
