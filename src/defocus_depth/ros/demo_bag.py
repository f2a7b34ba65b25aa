"""The demo's recording as a bag that Foxglove, RViz and `defocus_depth replay` open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image

from ..evaluation.bags.reader import RecordedMessage
from ..evaluation.recording import rounded_floats, write_mcap
from .demo_session import TOPICS, Session
from .recorder import Received, Wanted

MANTISSA_BITS = 8  # of the float maps: within 0.2 %, for a third of the size
_FLOAT_ENCODING = "32FC1"


def write_demo_bag(path: Path, session: Session, stamps_ns: Sequence[int]) -> None:
    """Write inputs and outputs of the frames with these stamps, and all lens states.

    Raises:
        ConfigError: the file cannot be written.
    """
    types = {f"/{topic.name}": _type_name(topic) for topic in TOPICS}
    write_mcap(path, types, list(_messages(session, frozenset(stamps_ns))))


def _messages(session: Session, stamps_ns: frozenset[int]) -> Iterator[RecordedMessage]:
    for topic in TOPICS:
        for message in session.messages[topic.name]:
            if message.stamp_ns in stamps_ns or topic.kind is not Image:
                yield RecordedMessage(f"/{topic.name}", message.stamp_ns, _compressible(topic, message))


def _compressible(topic: Wanted, message: Received) -> bytes:
    if topic.kind is not Image:
        return message.cdr
    image = deserialize_message(message.cdr, Image)
    if image.encoding != _FLOAT_ENCODING:
        return message.cdr
    return rounded_floats(message.cdr, image.height * image.width, MANTISSA_BITS)


def _type_name(topic: Wanted) -> str:
    return f"{topic.kind.__module__.partition('.')[0]}/msg/{topic.kind.__name__}"
