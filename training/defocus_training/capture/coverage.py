"""A live picture of what has been in focus so far: a file that is replaced after every frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from defocus_depth.atomic import replacing
from defocus_depth.errors import StackError
from defocus_depth.evaluation.baselines.depth_from_focus import DepthFromFocusConfig, focus_measure
from defocus_depth.types import FloatArray, ImageArray

from .measures import encoded_pixels, small_luminance

_WIDTH_PX, _LEGEND_PX = 640, 28
_CONFIG = DepthFromFocusConfig()
_GREY = 0.35  # brightness of what was never in focus


class CoveragePicture:
    """Colours every textured pixel by the step in which it was sharpest, near warm and far cold; grey: none yet.

    Args:
        labels: what the legend calls each step, nearest focus first.
    """

    def __init__(self, path: Path, labels: list[str]) -> None:
        self._path, self._labels = path, labels
        self._measures: dict[int, FloatArray] = {}
        self._luminance: FloatArray | None = None

    def begin(self) -> None:
        """Another scene."""
        self._measures, self._luminance = {}, None

    def add(self, step: int, linear: FloatArray) -> None:
        """Take a frame in and replace the picture; a repeated step replaces the one before.

        Raises:
            StackError: the picture cannot be written.
        """
        self._luminance = small_luminance(linear)
        grey = encoded_pixels(self._luminance, "srgb", np.uint8)
        self._measures[step] = focus_measure(grey, _CONFIG)
        picture = np.vstack([self._picture(grey), self._legend(grey.shape[1])])
        scale = _WIDTH_PX / picture.shape[1]
        self._write(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST))

    def covered_fraction(self) -> float:
        """Share of the pixels that have been in focus in some step."""
        return float(self._covered().mean()) if self._measures else 0.0

    def _covered(self) -> np.ndarray:
        measures = np.stack(list(self._measures.values()))
        return measures.max(axis=0) > _CONFIG.contrast * (measures.min(axis=0) + 1e-4)

    def _picture(self, grey: ImageArray) -> ImageArray:
        steps = sorted(self._measures)
        sharpest = np.array(steps)[np.argmax(np.stack([self._measures[step] for step in steps]), axis=0)]
        coloured = _colours(sharpest, len(self._labels)) * (0.3 + 0.7 * grey[..., None] / 255)
        plain = np.repeat(_GREY * grey[..., None].astype(np.float64), 3, axis=2)
        return np.where(self._covered()[..., None], coloured, plain).astype(np.uint8)

    def _legend(self, width: int) -> ImageArray:
        step = np.arange(width) * len(self._labels) // width
        legend = np.repeat(_colours(step[None], len(self._labels)), _LEGEND_PX // 2, axis=0).astype(np.uint8)
        for index, label in enumerate(self._labels):
            place = (index * width // len(self._labels) + 2, _LEGEND_PX // 2 - 4)
            cv2.putText(legend, label, place, cv2.FONT_HERSHEY_PLAIN, 0.6, (0, 0, 0), 1, cv2.LINE_AA)
        return legend

    def _write(self, picture: ImageArray) -> None:
        try:
            done, encoded = cv2.imencode(".png", picture)
            with replacing(self._path) as partial:
                partial.write_bytes(encoded.tobytes())
        except OSError as error:
            raise StackError(f"{self._path}: expected a writable file, got {error}") from error


def _colours(steps: np.ndarray, count: int) -> np.ndarray:
    """BGR float (…, 3) of step numbers."""
    levels = np.rint(255 * (0.92 - 0.84 * steps / max(1, count - 1))).astype(np.uint8)
    return cv2.applyColorMap(levels, cv2.COLORMAP_TURBO).astype(np.float64)
