"""Brings images, their ground truth and camera_infos together while a bag is read, holding no more than it must."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import BagError, ImageError
from .index import NONE, BagIndex
from .reader import RecordedMessage, RecordedTopic
from .standard import CAMERA_INFO, parsed

MOST_HELD_BYTES = 512 * 2**20
_Held = tuple[bytes, Any]


@dataclass(frozen=True)
class Pair:
    """One image and what belongs to it, still serialised.

    Attributes:
        number: of the image in the bag's order.
        info: newest camera_info (parsed) when the image came, or the first one; None: the bag has none.
        truth: serialised ground truth; None: none within the tolerance.
        truth_info: as `info`, of the ground truth.
    """

    number: int
    cdr: bytes
    info: Any
    truth: bytes | None
    truth_info: Any


class PairStream:
    """Takes the messages of a bag and gives pairs, in the bag's order of images, as soon as they are complete.

    Args:
        path: of the bag, for messages.
    """

    def __init__(self, index: BagIndex, path: Path) -> None:
        self._index, self._topics, self._path = index, index.topics, path
        self._waiting: deque[tuple[int, bytes, Any]] = deque()
        self._truths: dict[int, _Held] = {}
        self._open = Counter(index.truth_of[index.truth_of != NONE].tolist())
        self._images = self._truth_messages = self._held_bytes = 0
        self._infos: dict[str, tuple[bytes, Any]] = {}

    def take(self, message: RecordedMessage) -> Iterator[Pair]:
        """The pairs that a message completes.

        Raises:
            BagError: images and ground truth lie too far from each other to be held.
        """
        topics = self._topics
        if _is(message, topics.camera_info) or _is(message, topics.ground_truth_info):
            self._take_info(message)
        if _is(message, topics.image):
            self._hold(len(message.cdr))
            self._waiting.append((self._images, message.cdr, self._info(topics.camera_info)))
            self._images += 1
        if _is(message, topics.ground_truth):
            if self._open[self._truth_messages]:
                self._hold(len(message.cdr))
                self._truths[self._truth_messages] = (message.cdr, self._info(topics.ground_truth_info))
            self._truth_messages += 1
        yield from self._complete(at_end=False)

    def rest(self) -> Iterator[Pair]:
        """Images that still wait at the end of the bag, with what there is."""
        yield from self._complete(at_end=True)

    def _complete(self, at_end: bool) -> Iterator[Pair]:
        while self._waiting and (at_end or self._has_all(self._waiting[0][0])):
            number, cdr, info = self._waiting.popleft()
            truth, truth_info = self._released(int(self._index.truth_of[number]))
            self._held_bytes -= len(cdr)
            info = info or self._info(self._topics.camera_info)
            yield Pair(number, cdr, info, truth, truth_info or self._info(self._topics.ground_truth_info))

    def _has_all(self, number: int) -> bool:
        truth = int(self._index.truth_of[number])
        infos = (self._topics.camera_info, self._topics.ground_truth_info if truth != NONE else None)
        if any(topic and topic.count and topic.name not in self._infos for topic in infos):
            return False
        return truth == NONE or truth in self._truths

    def _released(self, truth: int) -> tuple[bytes | None, Any]:
        """Ground truth and its camera_info, forgotten when no other image waits for it."""
        if truth not in self._truths:
            return None, None
        held = self._truths[truth]
        self._open[truth] -= 1
        if not self._open[truth]:
            del self._truths[truth]
            self._held_bytes -= len(held[0])
        return held

    def _hold(self, size: int) -> None:
        self._held_bytes += size
        if self._held_bytes > MOST_HELD_BYTES:
            raise BagError(
                f"{self._path}: expected images, camera_info and ground truth of one time near each other in the bag, "
                f"got more than {MOST_HELD_BYTES >> 20} MiB between them"
            )

    def _take_info(self, message: RecordedMessage) -> None:
        if self._infos.get(message.topic, (b"", None))[0] == message.cdr:
            return
        try:
            info = parsed(message.cdr, CAMERA_INFO)
        except ImageError:  # a broken message: the one before it holds
            info = self._infos.get(message.topic, (b"", None))[1]
        self._infos[message.topic] = (message.cdr, info)

    def _info(self, topic: RecordedTopic | None) -> Any:
        """The newest camera_info of a topic so far; None: none came yet."""
        return self._infos.get(topic.name, (b"", None))[1] if topic else None


def _is(message: RecordedMessage, topic: RecordedTopic | None) -> bool:
    return topic is not None and message.topic == topic.name
