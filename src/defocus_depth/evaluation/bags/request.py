"""What is to be read from a bag: topics, lens, and how ground truth is matched and placed."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ...errors import BagError, ConfigError
from ...messages.lens_setting import LensSetting
from ...types import TRANSFERS
from .reader import OpenBag, RecordedTopic
from .standard import CAMERA_INFO, COMPRESSED_IMAGE, FLOAT32, FLOAT64, IMAGE, JOINT_STATE
from .transforms import Transform

AUTO_TRANSFER = "auto"
TOLERANCE_S = 0.075
IMAGE_TYPES, LENS_TYPES = (IMAGE, COMPRESSED_IMAGE), (JOINT_STATE, FLOAT32, FLOAT64)
STATIC_TRANSFORMS = "/tf_static"
_TRANSPORTS = ("/compressed", "/compressedDepth", "/image_transport")


@dataclass(frozen=True)
class BagTopics:
    """Names of topics; "" for those that there are none of.

    Attributes:
        camera_info: of the images.
        ground_truth: depth images, 16UC1 (mm) or 32FC1 (m), raw or compressed.
        ground_truth_info: camera_info of the ground truth; "": the one beside it, if it is in the bag.
        lens_state: JointState with a joint focus_distance, or Float32 or Float64 (m).
    """

    image: str
    camera_info: str = ""
    ground_truth: str = ""
    ground_truth_info: str = ""
    lens_state: str = ""


@dataclass(frozen=True)
class BagRequest:
    """What is read from a bag, and how.

    Attributes:
        lens: with the focus distance that holds as long as no lens state was recorded.
        tolerance_s: between the stamps of an image and its ground truth.
        lens_state_max_age_s: oldest lens state that still holds, 0: it holds for ever.
        transfer: encoding of the images' values; auto: as their pixel format suggests.
        registered: the ground truth is in the images' pixels whatever its frame_id says.
        transforms: beside those of /tf_static, which they override.

    Raises:
        ConfigError: a value out of its range.
    """

    topics: BagTopics
    lens: LensSetting
    tolerance_s: float = TOLERANCE_S
    lens_state_max_age_s: float = 0.0
    transfer: str = AUTO_TRANSFER
    registered: bool = False
    transforms: tuple[Transform, ...] = ()

    def __post_init__(self) -> None:
        for name in ("tolerance_s", "lens_state_max_age_s"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name}: expected a finite number ≥ 0, got {getattr(self, name)}")
        if self.transfer not in (AUTO_TRANSFER, *TRANSFERS):
            allowed = ", ".join((AUTO_TRANSFER, *TRANSFERS))
            raise ConfigError(f"transfer: expected one of {allowed}, got {self.transfer!r}")
        if not self.topics.lens_state and self.lens.focus_distance_m is None:
            raise ConfigError("focus distance: expected a lens-state topic, a focus distance or a lens file with one")


@dataclass(frozen=True)
class FoundTopics:
    """The topics of a request as they are in a bag; None where none was asked for (or, of infos, none is there)."""

    image: RecordedTopic
    camera_info: RecordedTopic | None
    ground_truth: RecordedTopic | None
    ground_truth_info: RecordedTopic | None
    lens_state: RecordedTopic | None


def find_topics(bag: OpenBag, topics: BagTopics) -> FoundTopics:
    """Look the topics up.

    Raises:
        BagError: one is missing, or of a type that its role does not have: lists what is there instead.
    """
    known = {topic.name: topic for topic in bag.topics}

    def find(role: str, name: str, types: Collection[str]) -> RecordedTopic | None:
        if not name:
            return None
        if name in known and known[name].type in types:
            return known[name]
        fitting = ", ".join(topic.name for topic in known.values() if topic.type in types) or "none"
        got = f"it of type {known[name].type}" if name in known else "no such topic"
        raise BagError(
            f"{bag.path}: {role} topic {name}: expected type {' or '.join(types)}, got {got} (of that type: {fitting})"
        )

    image = find("image", topics.image, IMAGE_TYPES)
    if image is None:
        raise ConfigError("image topic: expected a name, got nothing")
    return FoundTopics(
        image,
        find("camera_info", topics.camera_info, (CAMERA_INFO,)),
        find("ground-truth", topics.ground_truth, IMAGE_TYPES),
        find("ground-truth camera_info", topics.ground_truth_info, (CAMERA_INFO,)) or _beside(topics, known),
        find("lens-state", topics.lens_state, LENS_TYPES),
    )


def bag_name(path: Path) -> str:
    """What a bag is reported under: its file or folder without suffix."""
    return path.resolve().stem


def _beside(topics: BagTopics, known: dict[str, RecordedTopic]) -> RecordedTopic | None:
    """The camera_info in the namespace of the ground truth."""
    name = topics.ground_truth
    for transport in _TRANSPORTS:
        name = name.removesuffix(transport)
    beside = known.get(f"{name.rpartition('/')[0]}/camera_info")
    return beside if beside and beside.type == CAMERA_INFO else None
