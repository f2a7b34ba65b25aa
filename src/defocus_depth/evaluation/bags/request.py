"""What is to be read from a bag: its topics as they are in it, and the lens."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ...errors import BagError, ConfigError
from ...messages.lens_setting import LensSetting
from .options import BagOptions
from .reader import OpenBag, RecordedTopic
from .standard import CAMERA_INFO, COMPRESSED_IMAGE, FLOAT32, FLOAT64, IMAGE, JOINT_STATE
from .transforms import Transform

IMAGE_TYPES, LENS_TYPES = (IMAGE, COMPRESSED_IMAGE), (JOINT_STATE, FLOAT32, FLOAT64)
STATIC_TRANSFORMS = "/tf_static"
_TRANSPORTS = ("/compressed", "/compressedDepth", "/image_transport")


@dataclass(frozen=True)
class BagRequest:
    """What is read from a bag, and how.

    Attributes:
        lens: with the focus distance that holds as long as no lens state was recorded.
        transforms: beside those of /tf_static, which they override.

    Raises:
        ConfigError: no focus distance is known.
    """

    options: BagOptions
    lens: LensSetting
    transforms: tuple[Transform, ...] = ()

    def __post_init__(self) -> None:
        if not self.options.lens_state_topic and self.lens.focus_distance_m is None:
            raise ConfigError("focus distance: expected a lens-state topic, a focus distance or a lens file with one")


@dataclass(frozen=True)
class FoundTopics:
    """The topics of a request as they are in a bag; None where none was asked for (or, of infos, none is there)."""

    image: RecordedTopic
    camera_info: RecordedTopic | None
    ground_truth: RecordedTopic | None
    ground_truth_info: RecordedTopic | None
    lens_state: RecordedTopic | None


def find_topics(bag: OpenBag, options: BagOptions) -> FoundTopics:
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

    image = find("image", options.image_topic, IMAGE_TYPES)
    if image is None:
        raise ConfigError("image topic: expected a name, got nothing")
    return FoundTopics(
        image,
        find("camera_info", options.camera_info_topic, (CAMERA_INFO,)),
        find("ground-truth", options.ground_truth_topic, IMAGE_TYPES),
        find("ground-truth camera_info", options.ground_truth_info_topic, (CAMERA_INFO,))
        or _beside(options.ground_truth_topic, known),
        find("lens-state", options.lens_state_topic, LENS_TYPES),
    )


def bag_name(path: Path) -> str:
    """What a bag is reported under: its file or folder without suffix."""
    return path.resolve().stem


def _beside(name: str, known: dict[str, RecordedTopic]) -> RecordedTopic | None:
    """The camera_info in the namespace of the ground truth."""
    for transport in _TRANSPORTS:
        name = name.removesuffix(transport)
    beside = known.get(f"{name.rpartition('/')[0]}/camera_info")
    return beside if beside and beside.type == CAMERA_INFO else None
