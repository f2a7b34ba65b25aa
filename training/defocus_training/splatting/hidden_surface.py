"""Guesses the surface behind the rims of near objects, which a blurred rim lets through.

One splat per pixel holds what a pinhole sees. A lens also sees past a rim, by half the rim's circle of confusion. There
the nearest pixel of the surface behind is repeated. These splats are drawn after all others, so that they only fill
what would stay empty: where the lens does see enough of the visible part, that is the better answer.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

MIN_STEP_PX = 0.5
_NEIGHBOURS = np.array([(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)], np.int32)


def hidden_sources(
    depth_rank: npt.NDArray[np.float32], coc_px: npt.NDArray[np.float32], reach_px: npt.NDArray[np.float32]
) -> npt.NDArray[np.int32]:
    """Flat index of the pixel to repeat behind each pixel, int32 (H, W); -1 where nothing is needed.

    Args:
        depth_rank: inverse depth in any unit, float32 (H, W).
        coc_px: signed CoC for one focus; a step of more than MIN_STEP_PX between neighbours is a rim.
        reach_px: how far from its rim a pixel lets light through: half its largest |CoC|.
    """
    return _grow(depth_rank, coc_px, reach_px, np.float32(MIN_STEP_PX), _NEIGHBOURS)


@njit(nogil=True, cache=True, error_model="numpy")
def _grow(depth_rank, coc, reach, min_step, neighbours):
    """Ring by ring inwards from the rims; within a ring the nearest of the surfaces behind wins."""
    height, width = depth_rank.shape
    source = np.full((height, width), -1, np.int32)
    ring = _rim(depth_rank, coc, source, min_step, neighbours)
    distance = 1
    while len(ring) > 0:
        for at in ring:
            source[at // width, at % width] = -2 - source[at // width, at % width]
        distance += 1
        ring = _next_ring(depth_rank, coc, reach, source, ring, distance, min_step, neighbours)
    return source


@njit(nogil=True, cache=True, error_model="numpy")
def _rim(depth_rank, coc, source, min_step, neighbours):
    height, width = depth_rank.shape
    ring = [np.int64(0) for _ in range(0)]
    for y in range(height):
        for x in range(width):
            best = -1
            for k in range(len(neighbours)):
                v, u = y + neighbours[k, 0], x + neighbours[k, 1]
                if v < 0 or u < 0 or v >= height or u >= width:
                    continue
                if _is_behind(depth_rank, coc, y, x, v, u, min_step) and (
                    best < 0 or depth_rank[v, u] > depth_rank[best // width, best % width]
                ):
                    best = v * width + u
            if best >= 0:
                source[y, x] = -2 - best  # taken in this ring, not yet a source for its neighbours
                ring.append(np.int64(y * width + x))
    return ring


@njit(nogil=True, cache=True, error_model="numpy")
def _next_ring(depth_rank, coc, reach, source, last_ring, distance, min_step, neighbours):
    height, width = depth_rank.shape
    ring = [np.int64(0) for _ in range(0)]
    for at in last_ring:
        origin = source[at // width, at % width]
        for k in range(len(neighbours)):
            y, x = at // width + neighbours[k, 0], at % width + neighbours[k, 1]
            if y < 0 or x < 0 or y >= height or x >= width or source[y, x] >= 0 or reach[y, x] < distance - 1:
                continue
            v, u = origin // width, origin % width
            if not _is_behind(depth_rank, coc, y, x, v, u, min_step):
                continue
            taken = source[y, x] < -1
            if not taken:
                ring.append(np.int64(y * width + x))
            held = -2 - source[y, x]
            if not taken or depth_rank[v, u] > depth_rank[held // width, held % width]:
                source[y, x] = -2 - origin
    return ring


@njit(nogil=True, cache=True, error_model="numpy")
def _is_behind(depth_rank, coc, y, x, v, u, min_step):
    return depth_rank[v, u] < depth_rank[y, x] and abs(coc[v, u] - coc[y, x]) > min_step
