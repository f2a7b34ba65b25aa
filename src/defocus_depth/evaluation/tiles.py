"""The kept frames' maps as coloured pictures, with one colour scale for all frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .gallery import LAYERS, Gallery, KeptFrame
from .pictures import STYLES, PanelKind, coloured, limits
from .results import FrameResult

Picture = npt.NDArray[np.uint8]
KINDS: dict[str, PanelKind] = {
    "image": "image", "depth": "depth", "coc": "coc", "error": "error", "truth": "depth", "confidence": "confidence"
}  # fmt: skip
_SAMPLE_STEP = 4
_COLUMNS, _TITLE_PX = 3, 22


@dataclass(frozen=True)
class Tile:
    """One frame's layers as RGB pictures of one size, in the order of `gallery.LAYERS`."""

    index: int
    result: FrameResult
    layers: Mapping[str, Picture]

    @property
    def name(self) -> str:
        """The sample's name."""
        return self.result.name

    @property
    def panel(self) -> Picture:
        """All layers in one picture, each with its name above."""
        titled = [_titled(layer, picture) for layer, picture in self.layers.items()]
        titled += [np.full_like(titled[0], 255)] * (-len(titled) % _COLUMNS)
        rows = [np.hstack(titled[start : start + _COLUMNS]) for start in range(0, len(titled), _COLUMNS)]
        return np.vstack(rows)


@dataclass(frozen=True)
class Scale:
    """A layer's colour scale: its ends, what it counts, and a strip of its colours (1, 64, 3)."""

    low: float
    high: float
    unit: str
    strip: Picture


class FrameTiles:
    """Iterates over the kept frames in order, one coloured at a time; `scales` by layer (the image has none)."""

    def __init__(self, gallery: Gallery) -> None:
        self._frames = gallery.frames()
        self.worst, self.best = gallery.extremes()
        self.layers = [layer for layer in LAYERS if layer == "image" or any(layer in f.maps for f in self._frames)]
        self.scales = {layer: self._scale(layer) for layer in self.layers if layer != "image"}

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Tile]:
        return (Tile(frame.index, frame.result, self._pictures(frame)) for frame in self._frames)

    def _pictures(self, frame: KeptFrame) -> dict[str, Picture]:
        maps: dict[str, npt.NDArray[Any]] = {"image": frame.image, **frame.maps}
        scales = {layer: (scale.low, scale.high) for layer, scale in self.scales.items()}
        return {
            layer: coloured(maps[layer], KINDS[layer], scales.get(layer, (0, 1))) for layer in LAYERS if layer in maps
        }

    def _scale(self, layer: str) -> Scale:
        kind = KINDS[layer]
        shared = [name for name in LAYERS if KINDS[name] == kind]
        arrays = [frame.maps[name][::_SAMPLE_STEP, ::_SAMPLE_STEP]
                  for frame in self._frames for name in shared if name in frame.maps]  # fmt: skip
        low, high = limits(kind, arrays)
        strip = coloured(np.linspace(low, high, 64, dtype=np.float32)[None], kind, (low, high))
        return Scale(low, high, STYLES[kind].scale, strip)


def _titled(title: str, picture: Picture) -> Picture:
    bar = np.full((_TITLE_PX, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(bar, title, (6, _TITLE_PX - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
    return np.vstack([bar, picture])
