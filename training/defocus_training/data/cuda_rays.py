"""The runtime's ray tracer on a GPU: numba compiles the very functions of `simulation.lens_sampling` for CUDA.

One thread per pixel; a block of 16×16 shares its candidates, as the CPU's loop does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import int64

from defocus_depth.optics import focus_dpt
from defocus_depth.simulation.lens_sampling import (
    find_candidates,
    make_view,
    pattern_of,
    sample_pixel,
    sampling_patterns,
)
from defocus_depth.simulation.rigs import Rig
from defocus_depth.simulation.scene_tables import SceneTables
from defocus_depth.simulation.scenes import Scene

from ..cuda import BLOCK_PX, blocks_of, cuda, kernel, on_device
from .simulated import SAMPLES_PER_PIXEL, trace_frames

MOST_PRIMITIVES = 256
"""Room for a block's candidates; scenes with more are traced by the CPU."""
Frames = npt.NDArray[np.float32]


def trace_on_gpu(scene: Scene, rig: Rig, focus_m: Sequence[float], seeds: Sequence[int]) -> Frames:
    """`trace_frames` on CUDA: linear radiance (K, H, W, 3), focused at each of `focus_m`."""
    tables, camera = scene.tables(), rig.camera
    if len(tables.rows) > MOST_PRIMITIVES:
        return trace_frames(scene, rig, focus_m, seeds)
    there, blocks = SceneTables(*map(on_device, tables)), blocks_of(camera.height, camera.width)
    frames = np.empty((len(focus_m), camera.height, camera.width, 3), np.float32)
    for frame, distance, seed in zip(frames, focus_m, seeds, strict=True):
        view = make_view(camera, rig.blur_gain_px_per_dpt(distance), focus_dpt(distance, rig.lens))
        patterns = on_device(sampling_patterns(SAMPLES_PER_PIXEL, int(seed)))
        picture = cuda.device_array(frame.shape, np.float32)
        _trace[blocks](there, view, patterns, int(seed), picture)
        picture.copy_to_host(frame)
    frames *= np.float32(scene.exposure)
    return frames


@kernel()
def _trace(tables, view, patterns, seed, picture):  # noqa: ANN001, ANN202
    candidates = cuda.shared.array(MOST_PRIMITIVES, int64)
    number = cuda.shared.array(1, int64)
    x0, y0 = cuda.blockIdx.x * BLOCK_PX, cuda.blockIdx.y * BLOCK_PX
    if cuda.threadIdx.x == 0 and cuda.threadIdx.y == 0:
        number[0] = find_candidates(tables, view, (x0, y0, x0 + BLOCK_PX - 1, y0 + BLOCK_PX - 1), candidates)
    cuda.syncthreads()
    x, y = cuda.grid(2)
    if y < picture.shape[0] and x < picture.shape[1]:
        pattern = patterns[pattern_of(x, y, seed)]
        colour = sample_pixel(tables.rows, tables.atlas, view, pattern, candidates[: number[0]], (x, y))
        picture[y, x, 0], picture[y, x, 1], picture[y, x, 2] = colour
