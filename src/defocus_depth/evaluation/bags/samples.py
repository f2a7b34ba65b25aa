"""The images of a bag as samples to evaluate, streamed: an image is held until its ground truth has been read."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import BagError, DefocusDepthError, ImageError
from ...messages.camera_info import full_width_px
from ...messages.decode import DecodedImage, decode_compressed, decode_image
from ...messages.depth import decode_compressed_depth, decode_depth
from ...messages.lens_setting import LensSetting, Skip, lens_of_crop, setting_at
from ...optics import blur_gain_px_per_dpt, focus_dpt
from ...types import AUTO_TRANSFER, FloatArray
from ..dataset import Sample
from .alignment import Placed, TruthAligner
from .index import BagIndex, Progress, index_bag
from .pairing import Pair, PairStream
from .reader import OpenBag, RecordedMessage, open_bag
from .request import BagRequest, bag_name, find_topics
from .standard import COMPRESSED_IMAGE, parsed

NO_TRUTH, UNREADABLE = "no_ground_truth", "refused"


@dataclass(frozen=True)
class BagSample(Sample):
    """A sample with what a bag knows beside it.

    Attributes:
        recorded_ns: when the image was recorded.
        frame_id: of the image.
        camera_info: the newest message (parsed); None: the bag has none.
    """

    recorded_ns: int = 0
    frame_id: str = ""
    camera_info: Any = None


@dataclass
class Tally:
    """What became of a bag's images.

    Attributes:
        images: messages on the image topic.
        evaluated: of these.
        left_out: the others, by kind of reason.
        reasons: the last reason of each kind, in words.
    """

    images: int = 0
    evaluated: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)

    def leave_out(self, kind: str, reason: str) -> None:
        """Count an image that is not evaluated."""
        self.left_out[kind] += 1
        self.reasons[kind] = reason

    def words(self) -> str:
        """The reasons in one line."""
        return "; ".join(f"{number} {kind}: {self.reasons[kind]}" for kind, number in sorted(self.left_out.items()))


class BagSamples:
    """The usable images of a bag, with their lens, focus and ground truth (all NaN where there is none).

    The bag is read once when this is made, for its stamps, and once per iteration. Memory does not grow with it.

    Args:
        path: see `open_bag`.
        progress: gets every message of the first reading.
        prepare: changes each sample before anybody sees it; an image for which it raises is left out.

    Attributes:
        relay: if set, gets every message of the bag during an iteration, before the samples that it completes.
        tally: of the last iteration.
        aligner: knows what had to be done to the ground truth.

    Raises:
        BagError: the bag cannot be read, lacks a topic of the request, or has no image or no usable lens state on it.
    """

    def __init__(
        self,
        path: Path,
        request: BagRequest,
        progress: Progress | None = None,
        prepare: Callable[[BagSample], BagSample] = lambda sample: sample,
    ) -> None:
        self.path, self.request, self._prepare = path, request, prepare
        self.relay: Callable[[RecordedMessage], None] | None = None
        self.name, self.tally = bag_name(path), Tally()
        with open_bag(path) as bag:
            self._index = index_bag(bag, find_topics(bag, request.options), request, progress)
        if not len(self._index.stamps_ns):
            raise BagError(
                f"{path}: image topic {request.options.image_topic}: expected at least one message, got none"
            )
        self._check_lens_states()
        self.aligner = TruthAligner(path, self._index.transforms, request.options.registered)

    def __len__(self) -> int:
        """Images in the bag; some may be left out."""
        return len(self._index.stamps_ns)

    def __iter__(self) -> Iterator[BagSample]:
        """
        Raises:
            BagError: the bag breaks off, ground truth cannot be placed, or no image at all is usable.
        """
        self.tally = Tally()
        with open_bag(self.path) as bag:
            maker = _Maker(self.path, self.request, self._index, self.aligner, self.tally, self._prepare)
            for pair in self._pairs(bag):
                sample = maker.make(pair)
                if sample is not None:
                    yield sample
        if not self.tally.evaluated:
            raise BagError(f"{self.path}: expected at least one usable image, got {self.tally.words()}")

    def remarks(self) -> list[str]:
        """What had to be done differently for this bag, in words."""
        said = [f"{number} lens states refused: {reason}" for reason, number in sorted(self._index.refused.items())]
        if not self._index.is_stamped:
            said.append(f"all images are stamped {max(self._index.stamps_ns)} ns: the times of recording were compared")
        return said

    def _check_lens_states(self) -> None:
        topic = self._index.topics.lens_state
        if topic and not len(self._index.lens_states):
            reasons = "; ".join(sorted(self._index.refused)) or "no message"
            raise BagError(f"{self.path}: lens state topic {topic.name}: expected a usable message, got {reasons}")

    def truths_m(self) -> Iterator[FloatArray]:
        """The true depth of every sample; reads the bag once."""
        return (sample.truth_depth_m for sample in self)

    def _pairs(self, bag: OpenBag) -> Iterator[Pair]:
        stream = PairStream(self._index, self.path)
        for message in bag.messages(self._names(bag)):
            if self.relay:
                self.relay(message)
            yield from stream.take(message)
        yield from stream.rest()

    def _names(self, bag: OpenBag) -> set[str]:
        if self.relay:
            return {topic.name for topic in bag.topics}
        found = self._index.topics
        used = (found.image, found.camera_info, found.ground_truth, found.ground_truth_info)
        return {topic.name for topic in used if topic}


@dataclass
class _Maker:
    """Makes samples out of messages; what cannot become one is counted."""

    path: Path
    request: BagRequest
    index: BagIndex
    aligner: TruthAligner
    tally: Tally
    prepare: Callable[[BagSample], BagSample]

    def make(self, pair: Pair) -> BagSample | None:
        self.tally.images += 1
        if self.index.topics.ground_truth and pair.truth is None:
            reason = f"expected ground truth within {self.request.options.tolerance_s} s of the image's stamp, got none"
            self.tally.leave_out(NO_TRUTH, reason)
            return None
        try:
            sample = self._sample(pair)
        except BagError:
            raise
        except DefocusDepthError as error:
            self.tally.leave_out(UNREADABLE, str(error))
            return None
        if isinstance(sample, Skip):
            self.tally.leave_out(sample.kind, sample.reason)
            return None
        self.tally.evaluated += 1
        return sample

    def _sample(self, pair: Pair) -> BagSample | Skip:
        moment_ns = self.index.lens_moment_ns(pair.number)
        setting = setting_at(
            moment_ns, self.index.lens_states, self.request.lens, self.request.options.lens_state_max_age_s
        )
        if isinstance(setting, Skip):
            return setting
        message = parsed(pair.cdr, self.index.topics.image.type)
        decoded = self._decoded(message)
        setting = _of_image(setting, decoded, pair.info)
        assert setting.focus_distance_m is not None  # `setting_at` skips frames of unknown focus
        image = Placed(decoded.array.shape[:2], message.header.frame_id, pair.info)
        sample = BagSample(
            name=f"{bag_name(self.path)}/{pair.number:06}",
            group=bag_name(self.path),
            image=decoded.array,
            lens=setting.lens,
            focus_distance_m=setting.focus_distance_m,
            near_focus_m=setting.near_focus_m,
            truth_depth_m=self._truth(pair, image),
            transfer=decoded.transfer,
            stamp_ns=int(self.index.stamps_ns[pair.number]),
            recorded_ns=int(self.index.times_ns[pair.number]),
            frame_id=message.header.frame_id,
            camera_info=pair.info,
        )
        return self.prepare(sample)

    def _decoded(self, message: Any) -> DecodedImage:
        compressed = self.index.topics.image.type == COMPRESSED_IMAGE
        decoded = decode_compressed(message) if compressed else decode_image(message)
        if self.request.options.transfer == AUTO_TRANSFER:
            return decoded
        return DecodedImage(decoded.array, decoded.encoding, self.request.options.transfer)  # type: ignore[arg-type]

    def _truth(self, pair: Pair, image: Placed) -> FloatArray:
        topic = self.index.topics.ground_truth
        if pair.truth is None or topic is None:
            return np.full(image.size, np.nan, np.float32)
        message = parsed(pair.truth, topic.type)
        compressed = topic.type == COMPRESSED_IMAGE
        depth_m = decode_compressed_depth(message) if compressed else decode_depth(message)
        place = Placed((depth_m.shape[0], depth_m.shape[1]), message.header.frame_id, pair.truth_info)
        return self.aligner.align(depth_m, place, image)


def _of_image(setting: LensSetting, decoded: DecodedImage, info: Any) -> LensSetting:
    """The lens at the image's scale.

    Raises:
        OpticsError: a focus distance that the lens does not have.
        ImageError: fewer than one pixel.
    """
    width = decoded.array.shape[1]
    if decoded.array.size == 0:
        raise ImageError("image: expected pixels, got none")
    lens = lens_of_crop(setting.lens, width, full_width_px(info, width) if info is not None else float(width))
    blur_gain_px_per_dpt(lens, focus_dpt(setting.focus_distance_m or 0.0, lens), width)
    return dataclasses.replace(setting, lens=lens)
