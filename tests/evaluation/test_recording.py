"""Messages written to an .mcap come back byte for byte; rounded floats stay close and compress."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.bags.reader import RecordedMessage, open_bag
from defocus_depth.evaluation.recording import rounded_floats, write_mcap

STORE = get_typestore(Stores.ROS2_JAZZY)
STRING = "std_msgs/msg/String"


def _strings(count: int) -> list[RecordedMessage]:
    return [
        RecordedMessage(
            "/a" if index % 3 else "/b", index * 10, bytes(STORE.serialize_cdr(STORE.types[STRING](str(index)), STRING))
        )
        for index in range(count)
    ]


def test_comes_back_byte_for_byte_in_order_of_time(tmp_path):
    messages, path = _strings(20), tmp_path / "new" / "session.mcap"
    for _ in range(2):  # the second time it replaces the first
        write_mcap(path, {"/a": STRING, "/b": STRING}, messages[10:] + messages[:10])
    with open_bag(path) as bag:
        assert list(bag.messages(["/a", "/b"])) == messages
    assert [file.name for file in path.parent.iterdir()] == ["session.mcap"]


def test_knows_the_message_definitions_and_is_compressed(tmp_path):
    path, kind = tmp_path / "session.mcap", STORE.types[STRING]
    long = RecordedMessage("/a", 0, bytes(STORE.serialize_cdr(kind("blur " * 100_000), STRING)))
    write_mcap(path, {"/a": STRING}, [long])
    assert path.stat().st_size < len(long.cdr) / 50
    with Reader(path) as reader:
        (connection,) = reader.connections
        assert "string data" in connection.msgdef.data


def test_what_cannot_be_written_is_one_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match="session.mcap: expected a writable bag file"):
        write_mcap(tmp_path / "file" / "session.mcap", {"/a": STRING}, [])


@given(arrays(np.float32, st.integers(1, 50), elements=st.floats(width=32, allow_nan=True)), st.integers(4, 20))
def test_rounding_is_as_close_as_its_bits(values, bits):
    values = np.clip(values, -1e30, 1e30, where=np.isfinite(values), out=values)
    rounded = rounded_floats(b"header" + values.tobytes(), values.size, bits)
    assert rounded[:6] == b"header"
    result = np.frombuffer(rounded[6:], np.float32)
    normal = np.isfinite(values) & (np.abs(values) > 1e-37)
    np.testing.assert_allclose(result[normal], values[normal], rtol=2.0 ** -(bits + 1))
    np.testing.assert_array_equal(result[~np.isfinite(values)], values[~np.isfinite(values)])


def test_rounding_makes_smooth_maps_small():
    depth = (1 + np.random.default_rng(0).normal(0, 1e-4, (64, 64)).cumsum(axis=1)).astype(np.float32)
    exact, rounded = depth.tobytes(), rounded_floats(depth.tobytes(), depth.size, 11)
    assert len(zlib.compress(rounded)) < 0.4 * len(zlib.compress(exact))
