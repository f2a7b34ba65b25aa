"""A run of the real node on a bag: what it published and when, compared with the truth like any other method."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BagError
from ..types import FloatArray
from .bags.samples import BagSample, BagSamples
from .bags.standard import IMAGE, parsed
from .dataset import Sample
from .methods import Prediction
from .metrics import DepthMaps
from .provenance import provenance
from .results import FrameResult
from .run import OnFrame, evaluate_samples

DEPTH, DEFOCUS, CONFIDENCE = "depth/image", "defocus/image", "confidence/image"
_MADE_WITH = ("model_sha256", "backend")
PERCENTILES = {"median": 50, "p95": 95, "p99": 99, "max": 100}


class MapSpool:
    """Serialised messages by kind and stamp, kept in an unnamed file: memory does not grow with them."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()
        self._places: dict[tuple[str, int], tuple[int, int]] = {}
        self._end = 0

    def add(self, kind: str, stamp_ns: int, cdr: bytes) -> None:
        """Keep a message; of two of one stamp the first."""
        if (kind, stamp_ns) not in self._places:
            self._file.seek(self._end)
            self._file.write(cdr)
            self._places[kind, stamp_ns] = (self._end, len(cdr))
            self._end += len(cdr)

    def get(self, kind: str, stamp_ns: int) -> bytes | None:
        """A message, or None."""
        if (kind, stamp_ns) not in self._places:
            return None
        start, size = self._places[kind, stamp_ns]
        self._file.seek(start)
        return self._file.read(size)

    def stamps(self, kind: str) -> set[int]:
        """Of all messages of a kind."""
        return {stamp for of, stamp in self._places if of == kind}

    def close(self) -> None:
        """Forget everything."""
        self._file.close()


@dataclass
class OnlineRun:
    """What was measured while a bag was played to the node.

    Attributes:
        published_ns: system time when each image was published, by stamp; of repeated stamps the last.
        received_ns: system time when its depth map was received.
        maps: the published maps.
        images: published.
        left_out: images that the node left out on purpose or refused, by reason, as its diagnostics count them.
        node: what the diagnostics say of the node (backend, model …).
        cpu_percent: of the node while images came, 100 = one core; None: its process is not on this machine.
        rss_mib: largest resident memory of the node; None as above.
        seconds: from the first image published to the last depth map.
    """

    published_ns: dict[int, int] = field(default_factory=dict)
    received_ns: dict[int, int] = field(default_factory=dict)
    maps: MapSpool = field(default_factory=MapSpool)
    images: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    node: dict[str, str] = field(default_factory=dict)
    cpu_percent: float | None = None
    rss_mib: float | None = None
    seconds: float = 0.0

    def latency_ms(self, stamp_ns: int) -> float | None:
        """From an image's publication to its depth map; None: there is none."""
        if stamp_ns not in self.published_ns or stamp_ns not in self.received_ns:
            return None
        return (self.received_ns[stamp_ns] - self.published_ns[stamp_ns]) * 1e-6

    @property
    def dropped(self) -> int:
        """Images without a depth map that the node did not leave out on purpose: replaced by newer ones, or lost."""
        return max(0, self.images - len(self.received_ns) - sum(self.left_out.values()))

    @property
    def made_with(self) -> dict[str, str | None]:
        """As `provenance`, of the node."""
        model = self.node.get("model", "")
        known = {"model": Path(model).name, **{key: self.node.get(key.replace("_", " ")) for key in _MADE_WITH}}
        return {**provenance(), **{name: value or None for name, value in known.items()}}

    def figures(self) -> dict[str, Any]:
        """For `--json`: counts, rates, latency percentiles, CPU and memory; None for what is unknown."""
        found = [latency for stamp in self.received_ns if (latency := self.latency_ms(stamp)) is not None]
        results = len(self.received_ns)
        return {
            "images": self.images,
            "results": results,
            "dropped": self.dropped,
            "drop_ratio": self.dropped / self.images if self.images else None,
            "left_out": dict(sorted(self.left_out.items())),
            "results_per_s": results / self.seconds if self.seconds > 0 else None,
            "latency_ms": {
                name: float(np.percentile(found, percent)) if found else None for name, percent in PERCENTILES.items()
            },
            "cpu_percent": self.cpu_percent,
            "rss_mib": self.rss_mib,
            "node": {name: text for name, text in self.node.items() if name != "model"},
        }


def online_frames(
    samples: BagSamples, run: OnlineRun, min_confidence: float, on_frame: OnFrame | None = None
) -> Iterator[FrameResult]:
    """The figures of the frames that were not dropped, with the latency that was measured online.

    Raises:
        BagError: the bag breaks off, or none of its usable images has a depth map.
        ConfigError: `min_confidence` outside 0..1.
    """
    answered = run.maps.stamps(DEPTH)
    some = False

    def arrived() -> Iterator[BagSample]:
        return (sample for sample in samples if sample.stamp_ns in answered)

    def predict(sample: Sample) -> Prediction:
        return published(run.maps, sample.stamp_ns or 0)

    def see(sample: Sample, prediction: Prediction, result: FrameResult) -> None:
        if on_frame:
            on_frame(sample, prediction, _timed(result, run))

    for result in evaluate_samples(arrived(), predict, min_confidence, see):
        some = True
        yield _timed(result, run)
    if not some:
        raise BagError(f"{samples.path}: expected depth maps of usable images, got none ({run.images} images played)")


def published(maps: MapSpool, stamp_ns: int) -> Prediction:
    """The maps that the node published for an image; the CoC and confidence only where they came too."""
    depth_m = _map(maps, DEPTH, stamp_ns)
    assert depth_m is not None, "only asked for images with a depth map"
    coc_px = _map(maps, DEFOCUS, stamp_ns)
    unknown = np.full_like(depth_m, np.nan)
    return Prediction(DepthMaps(depth_m, unknown if coc_px is None else coc_px), _map(maps, CONFIDENCE, stamp_ns))


def counted(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, int]:
    """What the totals of two diagnostics say happened between them."""
    return {
        name: int(value) - int(before.get(name, "0"))
        for name, value in after.items()
        if value.isdigit() and before.get(name, "0").isdigit() and int(value) > int(before.get(name, "0"))
    }


def _timed(result: FrameResult, run: OnlineRun) -> FrameResult:
    return dataclasses.replace(result, latency_ms=run.latency_ms(result.stamp_ns or 0))


def _map(maps: MapSpool, kind: str, stamp_ns: int) -> FloatArray | None:
    cdr = maps.get(kind, stamp_ns)
    if cdr is None:
        return None
    message = parsed(cdr, IMAGE)
    return np.frombuffer(message.data, np.float32).reshape(message.height, message.width)
