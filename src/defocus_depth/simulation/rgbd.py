"""Defocus put into a sharp picture with depth (RGB-D), by the lens's circle of confusion at every pixel.

Every pixel is spread over its blur disc, from near to far in thin layers of equal blur. A layer takes what coverage
the layers before it have left of each pixel; coverages add up, so that a slanted surface that is cut into layers
stays closed. A picture does not show what is hidden behind an edge, but a lens sees past a blurred edge: there the
nearest of the surface behind is repeated, and drawn last, so that it only fills what would stay empty.

Against the ray-traced lens (`lens_sampling`) and closed forms see tests/simulation/test_rgbd.py.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import ImageError
from ..optics import blur_gain_px_per_dpt, coc_from_inverse_depth, focus_dpt
from ..types import FloatArray, LensParameters
from .compiled import kernel
from .disc_kernels import STEP_PX, DiscTable, disc_table

LAYER_PX = 0.5  # of blur, thickness of a layer
MOST_LAYERS = 96  # beyond that layers grow thicker
RIM_STEP_PX = 1.0  # of blur, from one surface to a hidden one behind it
LARGEST_COC_PX = 512.0  # larger blur is drawn at this size


def render_defocus(
    radiance: FloatArray, depth_m: FloatArray, focus_distance_m: float, lens: LensParameters
) -> FloatArray:
    """What a lens with this focus makes of a sharp picture whose depth is known.

    Args:
        radiance: linear RGB of the sharp picture, float32 (H, W, 3).
        depth_m: z, float32 (H, W); NaN or ≤ 0 where unknown: filled from the nearest known pixel, inf allowed.
        focus_distance_m: inf allowed.
        lens: its pitch or gain hold for a picture as wide as `lens.image_width_px` (None: for this one).

    Returns:
        Linear RGB, float32 (H, W, 3). Beyond its borders the scene is taken to be mirrored.

    Raises:
        ImageError: the shapes do not fit, a radiance is not finite, or no depth is known.
        OpticsError: the lens cannot focus there.
    """
    inverse_depth_dpt = 1 / _checked_depth(radiance, depth_m)
    focus = focus_dpt(focus_distance_m, lens)
    gain = blur_gain_px_per_dpt(lens, focus, depth_m.shape[1])
    coc_px = coc_from_inverse_depth(inverse_depth_dpt, gain, focus).astype(np.float32)
    coc_px = np.clip(coc_px, -LARGEST_COC_PX, LARGEST_COC_PX)
    return _blur(np.asarray(radiance, np.float32), coc_px)


def _checked_depth(radiance: FloatArray, depth_m: FloatArray) -> FloatArray:
    """Depth without unknown pixels."""
    if depth_m.ndim != 2 or radiance.shape != (*depth_m.shape, 3):
        raise ImageError(f"RGB-D: expected radiance (H, W, 3) and depth (H, W), got {radiance.shape}, {depth_m.shape}")
    if not np.isfinite(radiance).all():
        raise ImageError("RGB-D: expected finite radiance, got NaN or infinite values")
    unknown = ~(depth_m > 0)
    if unknown.all():
        raise ImageError("RGB-D: expected depth at some pixel, got none > 0")
    if not unknown.any():
        return depth_m.astype(np.float32)
    return depth_m.ravel()[_nearest_index(~unknown)[0]].astype(np.float32)


def _nearest_index(marked: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Flat index of the nearest marked pixel, and its distance (px), for every pixel; some pixel must be marked."""
    distance, labels = cv2.distanceTransformWithLabels(
        (~marked).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    label = np.asarray(labels, np.int64)
    index_of_label = np.zeros(label.max() + 1, np.int64)
    index_of_label[label[marked]] = np.flatnonzero(marked)
    return index_of_label[label], np.asarray(distance, np.float32)


def _blur(radiance: FloatArray, coc_px: FloatArray) -> FloatArray:
    table = disc_table(2 ** math.ceil(math.log2(max(8.0, float(np.abs(coc_px).max())))))
    margin = math.ceil(float(np.abs(coc_px).max()) / 2) + 2
    colour, coc = _mirrored(radiance, margin), _mirrored(coc_px, margin)
    canvas = np.zeros((*coc.shape, 4), np.float32)
    layers = _layers(coc)
    pixels = np.arange(coc.size)
    _splat(colour.reshape(-1, 3), coc.ravel(), pixels, pixels, layers, table, canvas)
    hidden, source = _hidden(coc, layers)
    _splat(colour.reshape(-1, 3), coc.ravel(), hidden, source, layers, table, canvas)
    inside = canvas[margin:-margin, margin:-margin]
    return inside[..., :3] / inside[..., 3:]


def _mirrored(values: FloatArray, margin: int) -> FloatArray:
    bordered = cv2.copyMakeBorder(values, margin, margin, margin, margin, cv2.BORDER_REFLECT)
    return np.asarray(bordered, np.float32)


def _layers(coc_px: FloatArray) -> npt.NDArray[np.int64]:
    """Each pixel's layer, flat; 0 is the nearest, because CoC grows with depth."""
    nearest, farthest = float(coc_px.min()), float(coc_px.max())
    thickness_px = max(LAYER_PX, (farthest - nearest) / MOST_LAYERS)
    return ((coc_px.ravel() - nearest) / thickness_px).astype(np.int64)


def _hidden(coc_px: FloatArray, layers: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Flat indices of pixels behind which a lens may see another surface, and of the pixels to repeat there.

    That surface is the nearest pixel that lies behind by RIM_STEP_PX, if it is no farther away than the edge's blur.
    """
    order = np.argsort(layers, kind="stable")
    ends = np.cumsum(np.bincount(layers))
    hidden, sources = [], []
    for members in np.split(order, ends[:-1]):
        if not len(members) or not (behind := coc_px > coc_px.ravel()[members].max() + RIM_STEP_PX).any():
            continue
        index, distance = _nearest_index(behind)
        reach = 0.5 * np.abs(coc_px.ravel()[members]) + 1
        near = members[distance.ravel()[members] <= reach]
        hidden.append(near)
        sources.append(index.ravel()[near])
    if not hidden:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate(hidden), np.concatenate(sources)


def _splat(
    colour: FloatArray,
    coc_px: FloatArray,
    places: npt.NDArray[np.int64],
    sources: npt.NDArray[np.int64],
    layers: npt.NDArray[np.int64],
    table: DiscTable,
    canvas: FloatArray,
) -> None:
    """Draw the pixels `sources` at `places`, nearest layer first, onto `canvas` (H, W, 4): Σ w·colour and Σ w."""
    order = np.argsort(layers[sources], kind="stable")
    starts = np.flatnonzero(np.diff(layers[sources][order], prepend=-1, append=-1))
    _draw_layers(table, (colour, coc_px), (places[order], sources[order], starts), canvas)


@kernel
def _draw_layers(table, pixels, layers, canvas):  # noqa: ANN001, ANN202
    colours, cocs = pixels
    places, sources, starts = layers
    height, width = canvas.shape[:2]
    layer = np.zeros_like(canvas)
    for number in range(len(starts) - 1):
        top, bottom = height, 0
        for member in range(starts[number], starts[number + 1]):
            source, y, x = sources[member], places[member] // width, places[member] % width
            disc = int(min(abs(cocs[source]) / STEP_PX + 0.5, len(table.starts) - 2.0))
            for entry in range(table.starts[disc], table.starts[disc + 1]):
                row, column = y + table.rows[entry], max(0, x + table.columns[entry])
                if row < 0 or row >= height or column >= width:
                    continue
                rise = table.rises[entry]
                layer[row, column, 0] += rise * colours[source, 0]
                layer[row, column, 1] += rise * colours[source, 1]
                layer[row, column, 2] += rise * colours[source, 2]
                layer[row, column, 3] += rise
                top, bottom = min(top, row), max(bottom, row + 1)
        _cover(layer[top:bottom], canvas[top:bottom])


@kernel
def _cover(layer, canvas):  # noqa: ANN001, ANN202
    """Sum a layer's rises to weights, give it what coverage is left of each pixel, and clear it."""
    height, width = canvas.shape[:2]
    for y in range(height):
        red, green, blue, weight = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
        for x in range(width):
            red, green = red + layer[y, x, 0], green + layer[y, x, 1]
            blue, weight = blue + layer[y, x, 2], weight + layer[y, x, 3]
            left = np.float32(1) - canvas[y, x, 3]
            if weight > 1e-4 and left > 0:
                share = min(np.float32(1), left / weight)
                canvas[y, x, 0] += share * red
                canvas[y, x, 1] += share * green
                canvas[y, x, 2] += share * blue
                canvas[y, x, 3] += share * weight
        layer[y] = 0
