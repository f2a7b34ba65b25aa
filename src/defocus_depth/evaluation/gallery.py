"""The frames whose pictures a report keeps: the worst, the best, and some spread evenly, however many there are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from ..types import FloatArray, ImageArray
from .dataset import Sample
from .methods import Prediction
from .metrics import is_depth
from .results import FrameResult

EXTREMES = 6
SPREAD = 24
MAX_WIDTH_PX = 480
LAYERS = ("image", "depth", "coc", "error", "truth", "confidence")


@dataclass(frozen=True)
class KeptFrame:
    """What pictures are made of: reduced to `MAX_WIDTH_PX`; `maps` by the names of `LAYERS` without the image."""

    index: int
    result: FrameResult
    image: ImageArray
    maps: Mapping[str, FloatArray]

    @property
    def abs_rel(self) -> float:
        """What ranks it; NaN where nothing is known."""
        return self.result.figures["abs_rel"]


class Gallery:
    """Takes frames one by one and keeps a bounded number of them; all, up to `SPREAD`."""

    def __init__(self) -> None:
        self._count = 0
        self._stride = 1
        self._spread: list[KeptFrame] = []
        self._worst: list[KeptFrame] = []
        self._best: list[KeptFrame] = []

    def add(self, sample: Sample, prediction: Prediction, result: FrameResult) -> None:
        """Keep the frame if it is among the extremes so far, or falls on the stride of the spread ones."""
        index, error = self._count, result.figures["abs_rel"]
        self._count += 1
        on_stride = index % self._stride == 0
        worse = len(self._worst) < EXTREMES or error > self._worst[-1].abs_rel
        better = len(self._best) < EXTREMES or error < self._best[-1].abs_rel
        extreme = math.isfinite(error) and (worse or better)
        if not (on_stride or extreme):
            return
        frame = KeptFrame(index, result.without_ranks(), *_reduced(sample, prediction))
        if on_stride:
            self._keep_spread(frame)
        if extreme:
            self._worst = sorted([*self._worst, frame], key=lambda kept: -kept.abs_rel)[:EXTREMES]
            self._best = sorted([*self._best, frame], key=lambda kept: kept.abs_rel)[:EXTREMES]

    def _keep_spread(self, frame: KeptFrame) -> None:
        self._spread.append(frame)
        if len(self._spread) > SPREAD:
            self._stride *= 2
            self._spread = [kept for kept in self._spread if kept.index % self._stride == 0]

    def frames(self) -> list[KeptFrame]:
        """Everything kept, in order, each once."""
        kept = {frame.index: frame for frame in (*self._spread, *self._worst, *self._best)}
        return [kept[index] for index in sorted(kept)]

    def extremes(self) -> tuple[list[int], list[int]]:
        """Indices of the worst frames (worst first) and the best (best first); none is both."""
        worst = [frame.index for frame in self._worst]
        best = [frame.index for frame in self._best]
        half = len(set(worst) | set(best)) // 2
        worst = worst[: max(half, 1)]
        return worst, [index for index in best if index not in worst]


def error_map(predicted_m: FloatArray, truth_m: FloatArray) -> FloatArray:
    """|d̂ − d| / d; NaN where either is unknown."""
    known = is_depth(truth_m) & is_depth(predicted_m)
    return np.where(known, np.abs(predicted_m - truth_m) / np.where(known, truth_m, 1), np.nan)


def _reduced(sample: Sample, prediction: Prediction) -> tuple[ImageArray, dict[str, FloatArray]]:
    """Image and maps at the report's size; maps take the nearest pixel, because NaN must not spread."""
    maps = {"depth": prediction.maps.depth_m, "coc": prediction.maps.coc_px, "truth": sample.truth_depth_m}
    if prediction.confidence is not None:
        maps["confidence"] = prediction.confidence
    height, width = sample.image.shape[:2]
    reduction = min(1.0, MAX_WIDTH_PX / width)
    size = (round(width * reduction), max(1, round(height * reduction)))
    image = cv2.resize(sample.image, size, interpolation=cv2.INTER_AREA)
    small = {
        name: cv2.resize(array, size, interpolation=cv2.INTER_NEAREST).astype(np.float32)
        for name, array in maps.items()
    }
    return image, {**small, "error": error_map(small["depth"], small["truth"])}
