"""Files that a fit is written to, in the size of the stack's frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from defocus_depth.atomic import replacing
from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.pictures import Panel, save_panel
from defocus_depth.optics import from_linear
from defocus_depth.types import FloatArray, ImageArray

from .judge import Fit
from .ply import SplatCloud, write_ply

_NEAREST, _FARTHEST = 1.0, 2.0  # of a relative depth, which has neither unit nor offset


@dataclass(frozen=True)
class FitMaps:
    """A fit in the size of the stack's frames.

    Attributes:
        inverse_depth: dpt, or in the focus coordinate, float32 (H, W).
        depth: metres; where the stack is not metric, a depth of 1 to 2 in the right order.
        confidence: 0..1, float32 (H, W).
        all_in_focus: encoded RGB, uint8 (H, W, 3).
    """

    inverse_depth: FloatArray
    depth: FloatArray
    confidence: FloatArray
    all_in_focus: ImageArray


def full_size_maps(fit: Fit) -> FitMaps:
    """The fit's maps, resampled to the frames' size."""
    inverse_depth = _resized(fit.inverse_depth, fit)
    encoded = from_linear(np.clip(fit.colour, 0, 1), fit.stack.transfer).astype(np.float32)
    return FitMaps(
        inverse_depth=inverse_depth,
        depth=np.float32(1) / inverse_depth if fit.stack.metric else relative_depth(inverse_depth),
        confidence=_resized(fit.confidence, fit),
        all_in_focus=np.rint(np.clip(_resized(encoded, fit), 0, 1) * 255).astype(np.uint8),
    )


def relative_depth(coordinate: FloatArray) -> FloatArray:
    """Depths between 1 and 2 whose inverse is linear in the focus coordinate; not metres."""
    low, high = float(coordinate.min()), float(coordinate.max())
    share = (coordinate - low) / max(high - low, 1e-9)
    return (1 / (1 / _FARTHEST + share * (1 / _NEAREST - 1 / _FARTHEST))).astype(np.float32)


def write_fit(folder: Path, fit: Fit, maps: FitMaps) -> None:
    """Write maps, pictures, splats and the panel into `folder`.

    `depth.npy` float32 metres (of a stack that is not metric: `focus_coordinate.npy`), `confidence.npy`, `depth.png`
    and `confidence.png` for people, `all_in_focus.png`, `splats.ply`, `panel.png`.

    Raises:
        ConfigError: a file cannot be written.
    """
    metric = fit.stack.metric
    _save_array(
        folder / ("depth.npy" if metric else "focus_coordinate.npy"), maps.depth if metric else maps.inverse_depth
    )
    _save_array(folder / "confidence.npy", maps.confidence)
    _save_picture(folder / "all_in_focus.png", maps.all_in_focus)
    depth: Panel = ("depth", maps.depth, "depth") if metric else ("relative depth", maps.depth, "relative_depth")
    title = "confidence" if metric else "confidence: error below a tenth of the sweep"
    confidence: Panel = (title, maps.confidence, "confidence")
    save_panel(folder / "depth.png", [depth])
    save_panel(folder / "confidence.png", [confidence])
    ends: list[Panel] = [(f"frame {index}", _display(fit, index), "image") for index in _ends(fit)]
    save_panel(folder / "panel.png", [*ends, ("all in focus", maps.all_in_focus, "image"), depth, confidence])
    colour, unit = (maps.all_in_focus / 255).astype(np.float32), "metres" if metric else "none, relative depth"
    write_ply(folder / "splats.ply", SplatCloud(maps.depth, colour, fit.stack.camera, unit))


def _ends(fit: Fit) -> tuple[int, int]:
    """The frames of nearest and farthest focus; a repetition of the first may come after the last."""
    return int(np.argmax(fit.focus_dpt)), int(np.argmin(fit.focus_dpt))


def _display(fit: Fit, index: int) -> ImageArray:
    encoded = from_linear(np.clip(fit.frames[index], 0, 1), fit.stack.transfer).astype(np.float32)
    return np.rint(np.clip(_resized(encoded, fit), 0, 1) * 255).astype(np.uint8)


def _resized(values: FloatArray, fit: Fit) -> FloatArray:
    size = (fit.stack.camera.width, fit.stack.camera.height)
    if values.shape[1::-1] == size:
        return values
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _save_array(path: Path, values: FloatArray) -> None:
    try:
        with replacing(path) as partial, partial.open("wb") as file:
            np.save(file, values.astype(np.float32), allow_pickle=False)
    except OSError as error:
        raise ConfigError(f"{path}: expected a writable file, got {error}") from error


def _save_picture(path: Path, image: ImageArray) -> None:
    try:
        with replacing(path) as partial:
            partial.write_bytes(cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes())
    except OSError as error:
        raise ConfigError(f"{path}: expected a writable file, got {error}") from error
