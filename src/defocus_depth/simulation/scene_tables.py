"""A scene as flat arrays for the compiled kernels: one row per primitive, textures as mip-maps.

One float table holds everything a ray needs: handing the kernels many small arrays costs more
(reference counting) than the intersections themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from ..types import FloatArray
from .shapes import NO_TEXTURE, Light, Primitive
from .textures import TEXTURE_SIZE

LEVELS = TEXTURE_SIZE.bit_length()  # 512, 256, … 1
LEVEL_START = np.cumsum([0] + [(TEXTURE_SIZE >> level) ** 2 for level in range(LEVELS)]).astype(np.int64)

# Columns of SceneTables.rows: where it is …
SHAPE, CENTRE, AXES, HALF_SIZE, NEAREST = 0, 1, 4, 13, 16
# … and how it looks: texture or −1, texels per metre, texel offset, directions to the lamp and up in its own
# axes, and the linear RGB that lamp and sky send back from it where its texture is white.
TEXTURE, TEXELS_PER_M, OFFSET, TO_LAMP, UP, LAMP_COLOUR, SKY_COLOUR, COLUMNS = 17, 18, 19, 21, 24, 27, 30, 33


class SceneTables(NamedTuple):
    """What a ray can meet.

    Attributes:
        rows: one primitive each, in the columns named above, metres, float64 (P, COLUMNS).
        corners: of each primitive's oriented bounding box, float64 (P, 8, 3) m; NaN if endless.
        atlas: mip-maps, one after the other, linear RGB float32 (T, texels, 3).
    """

    rows: npt.NDArray[np.float64]
    corners: npt.NDArray[np.float64]
    atlas: FloatArray


def build_atlas(textures: Sequence[FloatArray]) -> FloatArray:
    """Mip-maps of every texture, float32 (T, texels, 3); each level averages 2×2 texels of the one before."""
    atlas = np.zeros((max(1, len(textures)), int(LEVEL_START[-1]), 3), np.float32)
    for row, texture in zip(atlas, textures, strict=False):
        level_image = np.ascontiguousarray(texture, np.float32)
        for level in range(LEVELS):
            row[LEVEL_START[level] : LEVEL_START[level + 1]] = level_image.reshape(-1, 3)
            if level + 1 < LEVELS:
                half = TEXTURE_SIZE >> (level + 1)
                level_image = cv2.resize(level_image, (half, half), interpolation=cv2.INTER_AREA)
    return atlas


def build_tables(primitives: Sequence[Primitive], light: Light, atlas: FloatArray) -> SceneTables:
    """Tables of primitives that are already in the camera's frame."""
    corners = [p.corners_m() if p.is_finite else np.full((8, 3), np.nan) for p in primitives]
    rows = [_row(p, light, corner) for p, corner in zip(primitives, corners, strict=True)]
    assert all(NO_TEXTURE <= p.surface.texture < len(atlas) for p in primitives)
    return SceneTables(np.array(rows, np.float64), np.array(corners, np.float64), atlas)


def _row(primitive: Primitive, light: Light, corners_m: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    surface = primitive.surface
    nearest_m = corners_m[:, 2].min() if primitive.is_finite else 0.0
    row = np.concatenate(
        [
            [float(primitive.shape)],
            primitive.centre_m,
            primitive.axes.ravel(),
            primitive.half_size_m,
            [nearest_m, float(surface.texture), surface.texels_per_m],
            surface.offset_texels,
            primitive.axes @ light.direction,
            primitive.axes @ light.up,
            surface.tint * light.lamp,
            surface.tint * light.sky,
        ]
    )
    assert len(row) == COLUMNS
    return row
