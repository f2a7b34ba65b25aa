"""Every figure of a frame from one pass over its pixels.

The pass adds up errors per cell: distance bin × texture level × edge or not × kept or not. Sums over cells give the
figures of any of these parts, sums over frames the figures of all their pixels. `metrics` holds the plain definition
of each figure; this is their fast twin (2 ms for 640x480, where the definitions one by one take a hundred).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from ..errors import ConfigError
from .metrics import DELTA_BASE, DepthMaps

Sums = npt.NDArray[np.float64]
Labels = npt.NDArray[np.uint8]

DISTANCE_EDGES_M = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
TEXTURE_NAMES = ("textureless", "weak", "strong")
EDGE_NAMES = ("interior", "edge")
PART_AXES = {"distance_bins": 0, "texture": 1, "edges": 2}
"""Axes of a table of sums: distance bin, texture level, depth edge, kept after masking; the last holds `STATISTICS`."""
STATISTICS = (
    "truth", "predicted", "rel", "sq_rel", "sq", "sq_log", "abs", "sq_inverse", "delta1", "delta2", "delta3", "coc",
    "log",
)  # fmt: skip
TABLE_SHAPE = (len(DISTANCE_EDGES_M) + 1, len(TEXTURE_NAMES), len(EDGE_NAMES), 2, len(STATISTICS))

HISTOGRAM_OCTAVES = 2
HISTOGRAM_BINS = 32
"""Of log2(d̂/d) within ± `HISTOGRAM_OCTAVES`; one more bin at each end holds what lies beyond."""


@dataclass(frozen=True)
class PixelTable:
    """What one frame's pixels add up to.

    Attributes:
        sums: float64 of `TABLE_SHAPE`.
        histogram: float64 (`HISTOGRAM_BINS` + 2,), pixels per bin of log2(d̂/d).
        depths_m: float32 (2, n), predicted and true depth of every pixel that has both, in the image's order.
    """

    sums: Sums
    histogram: Sums
    depths_m: npt.NDArray[np.float32]


def distance_bin_names() -> tuple[str, ...]:
    """`0-0.5`, `0.5-1` … `10-inf`: metres of true depth, the lower end inclusive."""
    edges = ["0", *(f"{edge:g}" for edge in DISTANCE_EDGES_M), "inf"]
    return tuple(f"{low}-{high}" for low, high in zip(edges[:-1], edges[1:], strict=True))


def part_names(part: str) -> tuple[str, ...]:
    """The names of the parts along an axis of `PART_AXES`, in order."""
    return {"distance_bins": distance_bin_names(), "texture": TEXTURE_NAMES, "edges": EDGE_NAMES}[part]


def tabulate(
    predicted: DepthMaps,
    truth: DepthMaps,
    keep: npt.NDArray[np.bool_] | None = None,
    texture: Labels | None = None,
    edges: Labels | None = None,
) -> PixelTable:
    """Add up the errors of one frame's pixels; every pixel with valid truth (finite, > 0) counts.

    Args:
        keep: (H, W), False where masking by confidence drops the pixel; None keeps all.
        texture: (H, W) indices into `TEXTURE_NAMES`; None: all 0.
        edges: (H, W) indices into `EDGE_NAMES`; None: all 0.

    Raises:
        ConfigError: the maps' sizes differ.
    """
    arrays = (predicted.depth_m, truth.depth_m, predicted.coc_px, truth.coc_px)
    shapes = {array.shape for array in (*arrays, *(a for a in (keep, texture, edges) if a is not None))}
    if len(shapes) != 1:
        raise ConfigError(f"depth maps: expected equal sizes, got {sorted(shapes)}")
    dtype = np.result_type(np.float32, *arrays)
    maps = tuple(np.ascontiguousarray(array, dtype).ravel() for array in arrays)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = maps[0] / maps[1]
        np.log(logs, out=logs)  # NumPy's, because vectorised; the pass leaves out what is no number
    sums = np.zeros(TABLE_SHAPE)
    histogram = np.zeros(HISTOGRAM_BINS + 2)
    depths_m = np.empty((2, maps[0].size), np.float32)
    cells = _cells(truth.depth_m, keep, texture, edges).ravel()
    count = _add_up((*maps, logs), cells, sums.ravel(), histogram, depths_m)
    return PixelTable(sums, histogram, depths_m[:, :count])


def figures_from(sums: Sums) -> dict[str, float]:
    """The figures of `metrics.FIGURE_NAMES` from the (`STATISTICS`,) sums over some pixels; NaN for none.

    Each equals its definition in `metrics` applied to these pixels.
    """
    s = dict(zip(STATISTICS, map(float, sums), strict=True))
    n = s["predicted"] or math.nan
    return {
        "abs_rel": s["rel"] / n,
        "sq_rel": s["sq_rel"] / n,
        "rmse_m": math.sqrt(s["sq"] / n),
        "rmse_log": math.sqrt(s["sq_log"] / n),
        "mae_m": s["abs"] / n,
        "irmse_dpt": math.sqrt(s["sq_inverse"] / n),
        "delta1": s["delta1"] / n,
        "delta2": s["delta2"] / n,
        "delta3": s["delta3"] / n,
        "coc_mae_px": s["coc"] / n,
        "valid_fraction": s["predicted"] / (s["truth"] or math.nan),
    }


def scaled_figures(table: PixelTable, scale: float) -> dict[str, float]:
    """The figures after multiplying the prediction by `scale` > 0; `coc_mae_px` is NaN, it does not follow from depth.

    A second pass over the depths alone, without cells: loops that the compiler turns into vector instructions.
    """
    total = all_pixels(table.sums)
    sums = np.zeros(len(STATISTICS))
    _add_up_scaled(table.depths_m, scale, sums)
    sums[:2], sums[11] = total[:2], math.nan
    shift, count = math.log(scale), total[1]
    sums[5] = max(total[5] + 2 * shift * total[12] + count * shift * shift, 0)  # Σ(ln d̂/d + ln scale)²
    return figures_from(sums)


def all_pixels(sums: Sums) -> Sums:
    """(`STATISTICS`,) sums over all cells of a table."""
    return sums.sum(axis=(0, 1, 2, 3))


def kept_pixels(sums: Sums) -> Sums:
    """(`STATISTICS`,) sums over the kept cells; `truth` counts all pixels, so that `valid_fraction` tells the loss."""
    kept = sums[..., 1, :].sum(axis=(0, 1, 2))
    kept[0] = all_pixels(sums)[0]
    return kept


def part_sums(sums: Sums, part: str) -> Sums:
    """(names, `STATISTICS`) sums along one axis of `PART_AXES`."""
    return sums.sum(axis=tuple(axis for axis in range(4) if axis != PART_AXES[part]))


def frame_figures(
    predicted: DepthMaps, truth: DepthMaps, keep: npt.NDArray[np.bool_] | None = None
) -> dict[str, float]:
    """Every figure of `metrics.FIGURE_NAMES` for one frame; NaN where no pixel qualifies.

    Args:
        keep: (H, W), False drops the pixel from all figures (masking by confidence).

    `valid_fraction` is the part of the pixels with valid truth that is kept and predicted (finite, > 0); the other
    figures are over that part.

    Raises:
        ConfigError: the maps' sizes differ.
    """
    sums = tabulate(predicted, truth, keep).sums
    return figures_from(all_pixels(sums) if keep is None else kept_pixels(sums))


def _cells(
    truth_m: npt.NDArray[Any], keep: npt.NDArray[np.bool_] | None, texture: Labels | None, edges: Labels | None
) -> Labels:
    """Each pixel's index into the axes of a table but the last, taken together."""
    cells = np.zeros(truth_m.shape, np.uint8)
    with np.errstate(invalid="ignore"):
        for edge_m in DISTANCE_EDGES_M:
            cells += truth_m >= edge_m
    for size, labels in zip(TABLE_SHAPE[1:-1], (texture, edges, keep), strict=True):
        cells *= np.uint8(size)
        if labels is not None:
            cells += labels
    return cells if keep is not None else cells + np.uint8(1)


@njit(cache=True, nogil=True, error_model="numpy")
def _add_up(maps: Any, cells: Any, sums: Any, histogram: Any, depths_m: Any) -> int:
    """Fill `sums` (a flat table), `histogram` and `depths_m`; returns the number of pixels in `depths_m`."""
    predicted_m, truth_m, predicted_px, truth_px, logs = maps
    delta1, delta2, delta3 = DELTA_BASE, DELTA_BASE**2, DELTA_BASE**3
    statistics = len(STATISTICS)
    per_bin = HISTOGRAM_BINS / (2 * HISTOGRAM_OCTAVES * math.log(2.0))
    count = 0
    for pixel in range(truth_m.size):
        true, found = float(truth_m[pixel]), float(predicted_m[pixel])
        if not (0 < true < np.inf):
            continue
        cell = cells[pixel] * statistics
        sums[cell] += 1
        if not (0 < found < np.inf):
            continue
        error, inverse_true, inverse_found = abs(found - true), 1 / true, 1 / found
        inverse = inverse_found - inverse_true
        log = float(logs[pixel])
        sums[cell + 1] += 1
        sums[cell + 2] += error * inverse_true
        sums[cell + 3] += error * error * inverse_true
        sums[cell + 4] += error * error
        sums[cell + 5] += log * log
        sums[cell + 6] += error
        sums[cell + 7] += inverse * inverse
        sums[cell + 8] += found < delta1 * true and true < delta1 * found
        sums[cell + 9] += found < delta2 * true and true < delta2 * found
        sums[cell + 10] += found < delta3 * true and true < delta3 * found
        sums[cell + 11] += abs(predicted_px[pixel] - truth_px[pixel])
        sums[cell + 12] += log
        place = math.floor(log * per_bin) + HISTOGRAM_BINS // 2 + 1
        histogram[int(min(max(place, 0), HISTOGRAM_BINS + 1))] += 1
        depths_m[0, count], depths_m[1, count] = found, true
        count += 1
    return count


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _add_up_scaled(depths_m: Any, scale: float, sums: Any) -> None:
    """Fill `sums` but for what `scaled_figures` derives."""
    rel = sq_rel = square = absolute = sq_inverse = 0.0
    delta1 = delta2 = delta3 = 0
    for pixel in range(depths_m.shape[1]):
        found, true = float(depths_m[0, pixel]) * scale, float(depths_m[1, pixel])
        error, inverse_true = abs(found - true), 1 / true
        inverse = 1 / found - inverse_true
        rel += error * inverse_true
        sq_rel += error * error * inverse_true
        square += error * error
        absolute += error
        sq_inverse += inverse * inverse
        smaller, larger = min(found, true), max(found, true)
        delta1 += larger < DELTA_BASE * smaller
        delta2 += larger < DELTA_BASE * DELTA_BASE * smaller
        delta3 += larger < DELTA_BASE * DELTA_BASE * DELTA_BASE * smaller
    sums[2], sums[3], sums[4], sums[6], sums[7] = rel, sq_rel, square, absolute, sq_inverse
    sums[8], sums[9], sums[10] = delta1, delta2, delta3
