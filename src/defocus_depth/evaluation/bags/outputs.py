"""A recording with our topics added, so that viewers show both."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ConfigError
from ..dataset import Sample
from ..methods import Prediction
from .reader import RecordedMessage, RecordedTopic, is_converted, open_bag
from .samples import BagSample
from .standard import CAMERA_INFO, IMAGE, header, image, serialised, standard_types
from .writer import BagWriter, new_bag

NODE, EVALUATION = "/depth", "/evaluation"
DEPTH, DEFOCUS, CONFIDENCE, INFO = "depth/image", "defocus/image", "confidence/image", "depth/camera_info"
_TYPES = {DEPTH: IMAGE, DEFOCUS: IMAGE, CONFIDENCE: IMAGE, INFO: CAMERA_INFO}


class OutputBag:
    """The bag that `output_bag` opened.

    Attributes:
        namespace: of our topics: the node's own names, unless the recording has topics there.
        left_out: topics of the recording that cannot be written, with the reason.
    """

    def __init__(self, writer: BagWriter, recorded: list[RecordedTopic], is_ros1: bool) -> None:
        self._writer = writer
        names = {topic.name for topic in recorded}
        self.namespace = EVALUATION if any(f"{NODE}/{name}" in names for name in _TYPES) else NODE
        self.left_out = {topic.name: why for topic in recorded if (why := _obstacle(topic, is_ros1))}
        for topic in recorded:
            if topic.name not in self.left_out:
                writer.add_topic(topic)
        for name, kind in _TYPES.items():
            writer.add_topic(RecordedTopic(f"{self.namespace}/{name}", kind))

    def relay(self, message: RecordedMessage) -> None:
        """Write a message of the recording."""
        if message.topic not in self.left_out:
            self._writer.write(message)

    def add(self, sample: Sample, prediction: Prediction) -> None:
        """Write the maps of a sample under its image's header, at the time its image was recorded."""
        assert isinstance(sample, BagSample)
        head = header(sample.stamp_ns or 0, sample.frame_id)
        maps = {DEPTH: prediction.maps.depth_m, DEFOCUS: prediction.maps.coc_px, CONFIDENCE: prediction.confidence}
        for name, values in maps.items():
            if values is not None:
                self._write(name, sample.recorded_ns, image(head, np.asarray(values, np.float32), "32FC1"))
        if sample.camera_info is not None:
            self._write(INFO, sample.recorded_ns, _under(head, sample.camera_info))

    def _write(self, name: str, time_ns: int, cdr: bytes) -> None:
        self._writer.write(RecordedMessage(f"{self.namespace}/{name}", time_ns, cdr))


@contextmanager
def output_bag(path: Path, recording: Path, overwrite: bool = False) -> Iterator[OutputBag]:
    """Open a bag (see `new_bag`) for a recording and our topics.

    Raises:
        ConfigError: it cannot be written, or (also with `overwrite`) it would be in the recording's place.
        BagError: the recording cannot be read.
    """
    _check_apart(path, recording)
    with open_bag(recording) as bag:
        topics, is_ros1 = bag.topics, bag.is_ros1
    with new_bag(path, overwrite) as writer:
        yield OutputBag(writer, topics, is_ros1)


def _check_apart(path: Path, recording: Path) -> None:
    """A recording cannot be made again: neither it nor a folder that it is in is replaced, nor anything put into it."""
    out, source = path.resolve(), recording.resolve()
    if out == source or out in source.parents or source in out.parents:
        raise ConfigError(f"{path}: expected a place outside the recording, got one in the place of {recording}")


def _obstacle(topic: RecordedTopic, is_ros1: bool) -> str:
    if is_ros1:
        return "" if is_converted(topic) else f"{topic.type} of ROS 1 has no twin in ROS 2"
    known = topic.definition or topic.type in standard_types().fielddefs
    return "" if known else f"the recording has no definition of {topic.type}"


def _under(head: Any, info: Any) -> bytes:
    """A camera_info under another header."""
    return serialised(dataclasses.replace(info, header=head), CAMERA_INFO)
