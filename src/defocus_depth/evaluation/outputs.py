"""Files that an estimate is written to, and its figures for machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import tifffile

from ..atomic import replacing
from ..errors import ConfigError
from ..types import DepthEstimate, FloatArray, ImageArray
from .metrics import is_depth
from .pictures import estimate_panels, save_panel

PNG_STEPS_PER_UNIT = 1000
PERCENTILES = (5, 50, 95)


class OutputNames:
    """Hands out every name once; a second picture of the same name becomes name_2."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, name: str) -> str:
        """`name`, or the first of name_2, name_3 … that is free."""
        free, number = name, 1
        while free in self._taken:
            number += 1
            free = f"{name}_{number}"
        self._taken.add(free)
        return free


def write_estimate(folder: Path, name: str, image: ImageArray, estimate: DepthEstimate) -> dict[str, str]:
    """Write `<name>_…` files into `folder`; returns what they hold → file name inside the folder.

    Metric: `_depth.tiff` (float32, metres), `_depth_mm.png` (uint16, 0 = unknown or beyond 65.5 m, REP 118).
    Not metric: `_relative_depth.tiff`, `_relative_depth.png` (thousandths, 0 = unknown).
    Both: `_coc.tiff`, `_confidence.tiff` (float32), `_panel.png` for people.

    Raises:
        ConfigError: a file cannot be written.
    """
    depth = "depth" if estimate.metric else "relative_depth"
    files = {
        depth: f"{name}_{depth}.tiff",
        f"{depth}_png": f"{name}_depth_mm.png" if estimate.metric else f"{name}_relative_depth.png",
        "coc": f"{name}_coc.tiff",
        "confidence": f"{name}_confidence.tiff",
        "panel": f"{name}_panel.png",
    }
    unit = "metres along z" if estimate.metric else "relative: 1 = plane in focus, not metres"
    _write_tiff(folder / files[depth], estimate.depth_m, f"depth, {unit}")
    _write_png(folder / files[f"{depth}_png"], thousandths(estimate.depth_m))
    _write_tiff(folder / files["coc"], estimate.coc_px, "circle of confusion, px of the image, + beyond focus")
    _write_tiff(folder / files["confidence"], estimate.confidence, "P(depth within a factor of 1.25)")
    save_panel(folder / files["panel"], estimate_panels(image, estimate), columns=2)
    return files


def thousandths(depth: FloatArray) -> npt.NDArray[np.uint16]:
    """Depth × 1000 as uint16 (millimetres of metres); 0 where unknown or too far for 16 bits."""
    scaled = np.where(is_depth(depth), np.rint(np.where(is_depth(depth), depth, 0) * PNG_STEPS_PER_UNIT), 0)
    return np.where(scaled <= np.iinfo(np.uint16).max, scaled, 0).astype(np.uint16)


def estimate_figures(estimate: DepthEstimate) -> dict[str, Any]:
    """Summary of the maps: 5, 50, 95 % of depth (`depth_m`, or `relative_depth`) and CoC, mean confidence."""
    depth = "depth_m" if estimate.metric else "relative_depth"
    known = is_depth(estimate.depth_m)
    return {
        "metric": estimate.metric,
        depth: _percentiles(estimate.depth_m[known]),
        "coc_px": _percentiles(estimate.coc_px[np.isfinite(estimate.coc_px)]),
        "mean_confidence": float(np.mean(estimate.confidence)),
        "valid_fraction": float(np.mean(known)),
    }


def _percentiles(values: FloatArray) -> dict[str, float] | None:
    if not values.size:
        return None
    return {f"p{p:02}": float(value) for p, value in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True)}


def _write_tiff(path: Path, values: FloatArray, description: str) -> None:
    try:
        with replacing(path) as partial:
            tifffile.imwrite(partial, values.astype(np.float32), description=description, metadata=None)
    except OSError as error:
        raise ConfigError(f"{path}: expected a writable file, got {error}") from error


def _write_png(path: Path, values: npt.NDArray[np.uint16]) -> None:
    done, encoded = cv2.imencode(".png", values)
    assert done, "OpenCV encodes every uint16 array"
    try:
        with replacing(path) as partial:
            partial.write_bytes(encoded.tobytes())
    except OSError as error:
        raise ConfigError(f"{path}: expected a writable file, got {error}") from error
