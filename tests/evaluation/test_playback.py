"""A bag as a stream of raw messages, and its pace, on a timer that does not wait."""

import sqlite3

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from defocus_depth.errors import BagError, ConfigError
from defocus_depth.evaluation.playback import Moment, Pace, RecordedMessage, open_bag, paced

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
    with pytest.raises(BagError, match="nothing.mcap: expected a rosbag2 folder, .mcap or .db3 file, found nothing"):
        with open_bag(tmp_path / "nothing.mcap"):
            pass
    for name in ("text.mcap", "text.db3", "text.txt"):
        (tmp_path / name).write_text("not a bag")
        with pytest.raises(BagError, match=f"{name}: expected a readable rosbag2 recording"), open_bag(tmp_path / name):
            pass
    with pytest.raises(BagError, match="expected a readable rosbag2 recording"), open_bag(tmp_path):
        pass


def test_a_truncated_bag_is_one_clear_error(bag):
    path, _ = bag
    (storage,) = (file for file in path.iterdir() if file.suffix in (".mcap", ".db3"))
    storage.write_bytes(storage.read_bytes()[: storage.stat().st_size // 2])
    with pytest.raises(BagError, match="bag: expected a readable rosbag2 recording") as refused:
        with open_bag(path) as opened:
            list(opened.messages(["/fast", "/slow"]))
    assert refused.value.__cause__ is not None


def test_an_error_of_the_caller_stays_what_it_is(bag):
    with pytest.raises(sqlite3.Error), open_bag(bag[0]):
        raise sqlite3.OperationalError("the caller's own")


class InstantTimer:
    """Sleeping moves its clock and takes no time; working takes `work_s` per look at the clock."""

    def __init__(self, work_s: float = 0.0) -> None:
        self.time_s, self.work_s, self.slept = 50.0, work_s, []

    def now_s(self) -> float:
        self.time_s += self.work_s
        return self.time_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.time_s += seconds


def _messages(*seconds: float) -> list[RecordedMessage]:
    return [RecordedMessage("/t", 10**9 + round(second * 1e9), b"") for second in seconds]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20), st.floats(0.1, 10))
def test_messages_are_due_at_their_time_over_the_rate(seconds, rate):
    timer, due = InstantTimer(), []
    messages = _messages(*sorted(seconds))
    for moment in paced(messages, 10**9, Pace(rate), timer):
        due.append(timer.time_s - 50.0)
        assert moment.message is not None and moment.time_ns == moment.message.time_ns
    np.testing.assert_allclose(due, np.array(sorted(seconds)) / rate, atol=1e-6)


def test_late_messages_go_out_at_once_and_the_schedule_does_not_drift():
    timer = InstantTimer(work_s=0.15)
    list(paced(_messages(*np.arange(0, 1, 0.1)), 10**9, Pace(), timer))
    assert timer.slept == []
    timer = InstantTimer(work_s=0.01)
    list(paced(_messages(*np.arange(0, 10, 0.1)), 10**9, Pace(), timer))
    assert timer.time_s - 50.0 == pytest.approx(9.9, abs=0.05)


def test_messages_out_of_order_are_all_played():
    played = [moment.message for moment in paced(_messages(0, 0.2, 0.1, 0.3), 10**9, Pace(), InstantTimer())]
    assert played == _messages(0, 0.2, 0.1, 0.3)


def test_ticks_fill_the_time_between_messages():
    moments = list(paced(_messages(0, 1.05), 10**9, Pace(rate=2.0, clock_hz=10), InstantTimer()))
    ticks = [moment for moment in moments if moment.message is None]
    np.testing.assert_allclose([tick.time_ns for tick in ticks], 1e9 + np.arange(0, 1.05, 0.2) * 1e9)
    assert [moment.time_ns for moment in moments] == sorted(moment.time_ns for moment in moments)
    assert moments[1] == Moment(10**9, _messages(0)[0])


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
def test_refuses_rates_that_never_end(rate):
    with pytest.raises(ConfigError, match="rate: expected a finite number > 0"):
        Pace(rate)
    with pytest.raises(ConfigError, match="clock_hz: expected 0..1000"):
        Pace(clock_hz=-1.0)
