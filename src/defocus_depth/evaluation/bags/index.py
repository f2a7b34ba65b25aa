"""The first pass over a bag: stamps only, so that images, ground truth and lens states are matched exactly.

The bag's order says little: ground truth may come before or after its image, stamps may jump back. Knowing all of
them takes a few bytes per message.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ...errors import DefocusDepthError, ImageError
from ...messages.header import header_stamp_ns
from ...messages.lens_state import LensState, lens_state_from
from .reader import OpenBag, RecordedMessage, RecordedTopic
from .request import STATIC_TRANSFORMS, BagRequest, FoundTopics
from .standard import JOINT_STATE, TRANSFORMS, parsed
from .transforms import TransformTree, transforms_of

Stamps = npt.NDArray[np.int64]
NO_STAMP = -(2**62)  # of a message too short to have one
NONE = -1
Progress = Callable[[RecordedMessage], None]


class RecordedLensStates:
    """All lens states of a recording, asked for by stamp."""

    def __init__(self, states: Sequence[LensState]) -> None:
        self._states = sorted(states, key=lambda state: state.stamp_ns)  # stable: of equal stamps the last holds
        self._stamps_ns = [state.stamp_ns for state in self._states]

    def __len__(self) -> int:
        return len(self._states)

    def at(self, stamp_ns: int) -> LensState | None:
        """The newest state at or before a moment; None: all are later."""
        index = bisect_right(self._stamps_ns, stamp_ns)
        return self._states[index - 1] if index else None


@dataclass(frozen=True)
class BagIndex:
    """What the first pass found.

    Attributes:
        stamps_ns, times_ns: of each image in the bag's order: its header's stamp, and when it was recorded.
        truth_of: for each image the number of its ground-truth message in the bag's order, or `NONE`.
        lens_states: of messages without a stamp (Float32, Float64) at the time of their recording.
        is_stamped: whether the images' stamps tell them apart; else ground truth goes by the times of recording.
        lens_is_stamped: whether lens states go by the images' stamps, or by the times of their recording.
        refused: lens-state messages that no lens can have, by reason.
    """

    topics: FoundTopics
    stamps_ns: Stamps
    times_ns: Stamps
    truth_of: Stamps
    lens_states: RecordedLensStates
    is_stamped: bool
    lens_is_stamped: bool
    transforms: TransformTree
    refused: Counter[str]

    def lens_moment_ns(self, image: int) -> int:
        """The time of an image in the clock of the lens states."""
        return int((self.stamps_ns if self.lens_is_stamped else self.times_ns)[image])


def index_bag(bag: OpenBag, topics: FoundTopics, request: BagRequest, progress: Progress | None = None) -> BagIndex:
    """Read the bag once; `progress` gets every message that was read.

    Raises:
        BagError: the bag is truncated or corrupt.
    """
    scan = _Scan(topics)
    for message in bag.messages(scan.names()):
        scan.take(message)
        if progress:
            progress(message)
    for transform in request.transforms:
        scan.transforms.add(transform)
    return BagIndex(
        topics,
        np.array(scan.image_stamps, np.int64),
        np.array(scan.image_times, np.int64),
        scan.truth_of(round(request.options.tolerance_s * 1e9)),
        scan.recorded_lens_states(),
        scan.is_stamped,
        scan.is_stamped and _is_stamped(topics.lens_state),
        scan.transforms,
        scan.refused,
    )


def nearest(stamps_ns: Stamps, among_ns: Stamps, tolerance_ns: int) -> Stamps:
    """For each stamp the index of the nearest one among others (the earlier of two), `NONE` beyond the tolerance."""
    if not len(among_ns):
        return np.full(len(stamps_ns), NONE, np.int64)
    order = np.argsort(among_ns, kind="stable")
    ordered = among_ns[order]
    after = np.clip(np.searchsorted(ordered, stamps_ns), 0, len(ordered) - 1)
    before = np.clip(after - 1, 0, None)
    closer_before = np.abs(stamps_ns - ordered[before]) <= np.abs(ordered[after] - stamps_ns)
    best = np.where(closer_before, before, after)
    usable = (np.abs(ordered[best] - stamps_ns) <= tolerance_ns) & (stamps_ns != NO_STAMP)
    return np.where(usable, order[best], NONE)


@dataclass
class _Scan:
    topics: FoundTopics
    image_stamps: array[int] = field(default_factory=lambda: array("q"))
    image_times: array[int] = field(default_factory=lambda: array("q"))
    truth_stamps: array[int] = field(default_factory=lambda: array("q"))
    truth_times: array[int] = field(default_factory=lambda: array("q"))
    lens_states: list[tuple[int, LensState]] = field(default_factory=list)  # with the time of recording
    transforms: TransformTree = field(default_factory=TransformTree)
    refused: Counter[str] = field(default_factory=Counter)

    @cached_property
    def is_stamped(self) -> bool:
        """Drivers that stamp nothing give all images one stamp; broken images have none. Asked after the last image."""
        stamps = [stamp for stamp in self.image_stamps if stamp != NO_STAMP]
        return len(stamps) < 2 or len(set(stamps)) > 1

    def truth_of(self, tolerance_ns: int) -> Stamps:
        """For each image the number of its ground truth, or `NONE`."""
        images, truths = (
            (self.image_stamps, self.truth_stamps) if self.is_stamped else (self.image_times, self.truth_times)
        )
        return nearest(np.array(images, np.int64), np.array(truths, np.int64), tolerance_ns)

    def recorded_lens_states(self) -> RecordedLensStates:
        """By their stamps, or by the times of recording where the images have none."""
        if self.is_stamped:
            return RecordedLensStates([state for _, state in self.lens_states])
        return RecordedLensStates([replace(state, stamp_ns=time_ns) for time_ns, state in self.lens_states])

    def names(self) -> set[str]:
        wanted = (self.topics.image, self.topics.ground_truth, self.topics.lens_state)
        return {STATIC_TRANSFORMS, *(topic.name for topic in wanted if topic)}

    def take(self, message: RecordedMessage) -> None:
        if message.topic == self.topics.image.name:
            self.image_stamps.append(_stamp_ns(message.cdr))
            self.image_times.append(message.time_ns)
        if self.topics.ground_truth and message.topic == self.topics.ground_truth.name:
            self.truth_stamps.append(_stamp_ns(message.cdr))
            self.truth_times.append(message.time_ns)
        if self.topics.lens_state and message.topic == self.topics.lens_state.name:
            self._take_lens_state(message, self.topics.lens_state.type)
        if message.topic == STATIC_TRANSFORMS:
            self._take_transforms(message)

    def _take_transforms(self, message: RecordedMessage) -> None:
        with suppress(ImageError):  # a broken message: what it would have said is missed where it is needed
            for transform in transforms_of(parsed(message.cdr, TRANSFORMS)):
                self.transforms.add(transform)

    def _take_lens_state(self, message: RecordedMessage, kind: str) -> None:
        try:
            self.lens_states.append((message.time_ns, _lens_state(message, kind)))
        except DefocusDepthError as error:
            self.refused[str(error)] += 1


def _lens_state(message: RecordedMessage, kind: str) -> LensState:
    content = parsed(message.cdr, kind)
    if kind == JOINT_STATE:
        return lens_state_from(content)
    if not content.data > 0:  # also refuses NaN
        raise ImageError(f"lens state: expected a focus distance > 0 m, got {content.data}")
    return LensState(message.time_ns, float(content.data))


def _is_stamped(topic: RecordedTopic | None) -> bool:
    return topic is None or topic.type == JOINT_STATE


def _stamp_ns(cdr: bytes) -> int:
    try:
        return header_stamp_ns(cdr)
    except ImageError:
        return NO_STAMP
