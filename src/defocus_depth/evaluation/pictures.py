"""Pictures for people: depth, CoC, confidence and error maps in colour, side by side with a scale each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..errors import ConfigError
from ..types import DepthEstimate, ImageArray

PanelKind = Literal["image", "depth", "relative_depth", "coc", "confidence", "error"]
Panel = tuple[str, npt.NDArray[Any], PanelKind]
MAP_HEIGHT_IN, TITLE_HEIGHT_IN, SCALE_WIDTH_IN, DPI = 3.0, 0.35, 0.85, 100
UNKNOWN_COLOUR = "0.5"
_ROBUST_PERCENTILES = (1, 99)
_ENCODING = {".webp": [cv2.IMWRITE_WEBP_QUALITY, 82], ".png": [cv2.IMWRITE_PNG_COMPRESSION, 6]}


@dataclass(frozen=True)
class Style:
    """How a kind of map is shown: matplotlib's colour map, what the scale says, limits (None: from the data)."""

    colours: str
    scale: str
    limits: tuple[float, float] | None = None
    symmetric: bool = False


STYLES: dict[str, Style] = {
    "depth": Style("turbo_r", "m"),
    "relative_depth": Style("turbo_r", "relative"),
    "coc": Style("RdBu_r", "px, − nearer than focus, + beyond", symmetric=True),
    "confidence": Style("viridis", "P(within 1.25×)", (0.0, 1.0)),
    "error": Style("magma", "|error| / true depth", (0.0, 1.0)),
}


def estimate_panels(image: ImageArray, estimate: DepthEstimate) -> list[Panel]:
    """Image, depth, CoC and confidence; depth is called relative where the estimate is not metric."""
    depth: Panel = ("depth", estimate.depth_m, "depth")
    if not estimate.metric:
        depth = ("relative depth (focus unknown)", estimate.depth_m, "relative_depth")
    return [
        ("image", image, "image"),
        depth,
        ("circle of confusion", estimate.coc_px, "coc"),
        ("confidence", estimate.confidence, "confidence"),
    ]


def save_panel(path: Path, panels: Sequence[Panel], columns: int = 3) -> None:
    """Write a PNG of titled maps, `columns` to a row; maps of one kind share their limits; NaN is grey.

    Args:
        panels: (title, array, kind). `image`: uint8, uint16 or float 0..1, (H, W) or (H, W, 3) RGB. Others (H, W).

    Raises:
        ConfigError: no panels, an unknown kind, an array of another shape, or a file that cannot be written.
    """
    _check(panels)
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    height, width = panels[0][1].shape[:2]
    cell_in = (MAP_HEIGHT_IN * width / height + SCALE_WIDTH_IN, MAP_HEIGHT_IN + TITLE_HEIGHT_IN)
    figure = Figure(figsize=(columns * cell_in[0], rows * cell_in[1]), dpi=DPI)
    FigureCanvasAgg(figure)
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        _draw(figure, panel, (column * cell_in[0], (rows - 1 - row) * cell_in[1]), panels)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, pil_kwargs={"compress_level": 1})
    except OSError as error:
        raise ConfigError(f"{path}: expected a writable picture file, got {error}") from error


def coloured(
    array: npt.NDArray[Any], kind: PanelKind, scale: tuple[float, float] = (0.0, 1.0)
) -> npt.NDArray[np.uint8]:
    """RGB uint8 (H, W, 3) of a map between the ends of its colour scale (grey where unknown), or of an image."""
    if kind == "image":
        grey = np.rint(_displayable(array) * 255).astype(np.uint8)
        return grey if grey.ndim == 3 else np.repeat(grey[..., None], 3, axis=2)
    colours = colormaps[STYLES[kind].colours].with_extremes(bad=UNKNOWN_COLOUR)
    placed = (np.ma.masked_invalid(array) - scale[0]) / (scale[1] - scale[0])
    return colours(placed, bytes=True)[..., :3]


def encoded(picture: npt.NDArray[np.uint8], suffix: str = ".webp") -> bytes:
    """An RGB picture as the content of a file of that kind (`.webp`, `.png`)."""
    done, content = cv2.imencode(suffix, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), _ENCODING[suffix])
    assert done, "OpenCV encodes every uint8 picture"
    return content.tobytes()


def _draw(figure: Figure, panel: Panel, corner_in: tuple[float, float], panels: Sequence[Panel]) -> None:
    """One map with its title above and its scale on the right; `corner_in`: bottom left of its cell, inches."""
    title, array, kind = panel
    height, width = panels[0][1].shape[:2]
    width_in = MAP_HEIGHT_IN * width / height
    axes = figure.add_axes(_placed(figure, (*corner_in, width_in, MAP_HEIGHT_IN)))
    axes.set_title(title, fontsize=10)
    axes.set_axis_off()
    if kind == "image":
        axes.imshow(_displayable(array), cmap="gray", vmin=0, vmax=1)
        return
    low, high = limits(kind, [other for _, other, other_kind in panels if other_kind == kind])
    colours = colormaps[STYLES[kind].colours].with_extremes(bad=UNKNOWN_COLOUR)
    shown = axes.imshow(np.ma.masked_invalid(array), cmap=colours, vmin=low, vmax=high, interpolation="nearest")
    place_in = (corner_in[0] + width_in + 0.06, corner_in[1] + 0.1, 0.1, MAP_HEIGHT_IN - 0.2)
    bar = figure.colorbar(shown, cax=figure.add_axes(_placed(figure, place_in)))
    bar.set_label(STYLES[kind].scale, fontsize=8)
    bar.ax.tick_params(labelsize=8)


def _placed(figure: Figure, rectangle_in: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Left, bottom, width, height in inches as fractions of the figure."""
    left, bottom, width, height = rectangle_in
    figure_width, figure_height = figure.get_size_inches()
    return left / figure_width, bottom / figure_height, width / figure_width, height / figure_height


def limits(kind: PanelKind, arrays: Sequence[npt.NDArray[Any]]) -> tuple[float, float]:
    """Least and greatest value on the colour scale of `kind` for these maps together, outliers aside; low < high."""
    style = STYLES[kind]
    if style.limits is not None:
        return style.limits
    values = np.concatenate([array[np.isfinite(array)].ravel() for array in arrays])
    low, high = np.percentile(values, _ROBUST_PERCENTILES) if values.size else (0.0, 1.0)
    if style.symmetric:
        low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
    return (float(low), float(high)) if high > low else (float(low) - 0.5, float(low) + 0.5)


def _check(panels: Sequence[Panel]) -> None:
    if not panels:
        raise ConfigError("panels: expected at least one, got none")
    for title, array, kind in panels:
        if kind != "image" and kind not in STYLES:
            raise ConfigError(f"panel {title!r} kind: expected image, {', '.join(STYLES)}, got {kind!r}")
        colour = kind == "image" and array.ndim == 3 and array.shape[2] == 3
        if not (array.ndim == 2 or colour):
            raise ConfigError(f"panel {title!r}: expected (H, W), or (H, W, 3) for an image, got {array.shape}")


def _displayable(image: ImageArray) -> npt.NDArray[Any]:
    return image / np.iinfo(image.dtype).max if image.dtype.kind == "u" else np.clip(image, 0, 1)
