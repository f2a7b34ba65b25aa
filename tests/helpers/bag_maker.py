"""Bags of flat grey images whose true depth is what `tiny_model` makes of their brightness, written in any way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from defocus_depth.evaluation.bags import standard
from defocus_depth.evaluation.bags.options import BagOptions
from defocus_depth.types import CameraIntrinsics, LensParameters

SIZE = (64, 96)
SECOND = 10**9
START_NS = 1_700_000_000 * SECOND
FRAME_NS = SECOND // 10
LENS = LensParameters(blur_gain_px_per_dpt=4.0)
CAMERA = CameraIntrinsics(SIZE[1], SIZE[0], 90.0, 90.0, 47.5, 31.5)
FRAME_ID = "camera_optical_frame"
TOPICS = BagOptions("/image", "/camera_info", "/depth", lens_state_topic="/lens_state")


def depth_of(level: int) -> float:
    """What `tiny_model` says of a grey level."""
    return 1 / (0.5 + 2 * level / 255)


@dataclass(frozen=True)
class Entry:
    """A message to be written: `cdr` of a type on a topic at a time."""

    topic: str
    type: str
    time_ns: int
    cdr: bytes


@dataclass
class BagMaker:
    """Collects messages, then writes them in the order of their times."""

    entries: list[Entry] = field(default_factory=list)

    def add(self, topic: str, kind: str, time_ns: int, cdr: bytes) -> None:
        self.entries.append(Entry(topic, kind, time_ns, cdr))

    def image(
        self, stamp_ns: int, level: int, time_ns: int | None = None, size: tuple[int, int] = SIZE, topic: str = "/image"
    ) -> None:
        pixels = np.full((*size, 3), level, np.uint8)
        cdr = standard.image(standard.header(stamp_ns, FRAME_ID), pixels, "rgb8")
        self.add(topic, standard.IMAGE, stamp_ns if time_ns is None else time_ns, cdr)

    def compressed(self, topic: str, stamp_ns: int, array: np.ndarray, form: str, head: bytes = b"") -> None:
        data = np.frombuffer(head + cv2.imencode(".png", array)[1].tobytes(), np.uint8)
        kind = standard.COMPRESSED_IMAGE
        message = standard.standard_types().types[kind](standard.header(stamp_ns, FRAME_ID), form, data)
        self.add(topic, kind, stamp_ns, standard.serialised(message, kind))

    def truth(self, stamp_ns: int, depth_m: Any, *, frame_id: str = FRAME_ID, **how: Any) -> None:
        """`how`: millimetres=True, time_ns, size."""
        size = how.get("size", SIZE) if np.ndim(depth_m) == 0 else np.shape(depth_m)
        array = np.broadcast_to(np.asarray(depth_m, np.float32), size)
        if how.get("millimetres"):
            array, encoding = np.rint(np.asarray(array) * 1000).astype(np.uint16), "16UC1"
        else:
            array, encoding = np.asarray(array, np.float32), "32FC1"
        cdr = standard.image(standard.header(stamp_ns, frame_id), array, encoding)
        self.add("/depth", standard.IMAGE, how.get("time_ns", stamp_ns), cdr)

    def info(self, stamp_ns: int, camera: CameraIntrinsics = CAMERA, topic: str = "/camera_info") -> None:
        self.add(topic, standard.CAMERA_INFO, stamp_ns, standard.camera_info(standard.header(stamp_ns, ""), camera))

    def lens(self, stamp_ns: int, focus_m: float, velocity: float = 0.0, time_ns: int | None = None) -> None:
        cdr = standard.lens_state(standard.header(stamp_ns, ""), focus_m, velocity)
        self.add("/lens_state", standard.JOINT_STATE, stamp_ns if time_ns is None else time_ns, cdr)

    def number(self, topic: str, kind: str, time_ns: int, value: float) -> None:
        self.add(topic, kind, time_ns, standard.serialised(standard.standard_types().types[kind](value), kind))

    def frames(self, levels: Sequence[int], focus_m: float = 0.35) -> None:
        """Image, camera_info, ground truth and lens state of each level, `FRAME_NS` apart."""
        for index, level in enumerate(levels):
            stamp_ns = START_NS + index * FRAME_NS
            self.lens(stamp_ns, focus_m)
            self.info(stamp_ns)
            self.image(stamp_ns, level)
            self.truth(stamp_ns, depth_of(level))

    def write(self, path: Path, storage: StoragePlugin = StoragePlugin.MCAP, store: Stores = Stores.ROS2_JAZZY) -> Path:
        types = get_typestore(store)
        with Writer(path, version=9, storage_plugin=storage) as writer:
            kinds = {entry.topic: entry.type for entry in self.entries}
            topics = {name: writer.add_connection(name, kind, typestore=types) for name, kind in kinds.items()}
            for entry in sorted(self.entries, key=lambda entry: entry.time_ns):
                writer.write(topics[entry.topic], entry.time_ns, entry.cdr)
        return path

    def write_ros1(self, path: Path) -> Path:
        """The same messages as ROS 1 would have recorded them."""
        old, new = get_typestore(Stores.ROS1_NOETIC), get_typestore(Stores.ROS2_HUMBLE)
        with Writer1(path) as writer:
            kinds = {entry.topic: entry.type for entry in self.entries}
            topics = {name: writer.add_connection(name, kind, typestore=old) for name, kind in kinds.items()}
            for entry in sorted(self.entries, key=lambda entry: entry.time_ns):
                writer.write(topics[entry.topic], entry.time_ns, bytes(new.cdr_to_ros1(entry.cdr, entry.type)))
        return path
