"""`gather_blur` and the composite of a scene's layers on a GPU: one thread per pixel of each frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import float32

from ..cuda import blocks_of, cuda, kernel, on_device
from .gather_blur import FINE_RADIUS_PX, SPAN_EXTENT
from .layered_scene import LayeredScene

CHANNELS = 4
Map = npt.NDArray[np.float32]


def render_layers_on_gpu(scene: LayeredScene, focus_px: Map, spans: Map, margin: int) -> Map:
    """`render_layers` on CUDA: frames (K, n, n, 3)."""
    size = scene.inverse_depth_px.shape[0] - 2 * margin
    frames = on_device(np.zeros((len(focus_px), size, size, 3), np.float32))
    foci, table, blocks = on_device(focus_px), on_device(spans), blocks_of(size, size, len(focus_px))
    for layer in scene.layers:
        sums = np.zeros((layer.rgba.shape[0], layer.rgba.shape[1] + 1, CHANNELS), np.float32)
        np.cumsum(layer.rgba, 1, out=sums[:, 1:])
        planes = [on_device(plane) for plane in (layer.rgba, sums, layer.inverse_depth_px)]
        _lay_over[blocks](*planes, foci, table, margin, frames)
    return frames.copy_to_host()


@kernel(fastmath=True)
def _lay_over(rgba, sums, inverse_depth_px, focus_px, spans, margin, frames):  # noqa: ANN001, ANN202
    """Put the blurred layer over what the frames show already; the arithmetic of `gather_blur`."""
    column, line, frame = cuda.grid(3)
    if line >= frames.shape[1] or column >= frames.shape[2]:
        return
    x, y = column + margin, line + margin
    total = cuda.local.array(CHANNELS, float32)
    for c in range(CHANNELS):
        total[c] = float32(0)
    area, width = float32(0), float32(rgba.shape[1] - 1e-3)
    radius = float32(0.5) * abs(focus_px[frame] - inverse_depth_px[y, x])
    rows = int(2 * SPAN_EXTENT * radius * (1.0 if radius > FINE_RADIUS_PX else 4.0)) + 1
    for k in range(rows):
        s = float32(SPAN_EXTENT) * (float32(2 * k + 1) / float32(rows) - float32(1))
        position = (s / float32(SPAN_EXTENT) + float32(1)) * float32(0.5) * float32(spans.shape[0] - 1)
        i = min(int(position), spans.shape[0] - 2)
        f = position - float32(i)
        left = float32(x) + float32(0.5) + radius * (spans[i, 0] * (float32(1) - f) + spans[i + 1, 0] * f)
        right = float32(x) + float32(0.5) + radius * (spans[i, 1] * (float32(1) - f) + spans[i + 1, 1] * f)
        if right - left < float32(1e-3):
            if radius > float32(0.01):
                continue
            left, right = float32(x) + float32(0.4995), float32(x) + float32(0.5005)
        row = min(max(int(float32(y) + float32(0.5) + s * radius), 0), rgba.shape[0] - 1)
        left, right = max(left, float32(0)), min(right, width)
        a, b = int(left), int(right)
        fa, fb = left - float32(a), right - float32(b)
        for c in range(CHANNELS):
            total[c] += sums[row, b, c] + fb * rgba[row, b, c] - sums[row, a, c] - fa * rgba[row, a, c]
        area += right - left
    area = max(area, float32(1e-9))
    seen = float32(1) - total[3] / area
    for c in range(3):
        frames[frame, line, column, c] = frames[frame, line, column, c] * seen + total[c] / area
