"""What the simulated camera looks at while its lens is calibrated: a flat, finely textured wall at a known distance."""

from __future__ import annotations

import functools

import numpy as np

from defocus_depth.simulation.scene_tables import build_atlas
from defocus_depth.simulation.scenes import Scene
from defocus_depth.simulation.shapes import Light, Primitive, Shape, Surface, axes_with_normal
from defocus_depth.simulation.textures import TEXTURE_SIZE
from defocus_depth.types import FloatArray

from ..texture import dead_leaves

_TEXEL_PER_PIXEL = 0.9  # size of the texture's grain over that of a pixel
_SPIN_RAD = 0.1


def flat_target(distance_m: float, focal_px: float) -> Scene:
    """An endless wall at `distance_m`, square to the optical axis.

    Args:
        focal_px: of the camera that looks at it, for which the texture's grain is about a pixel.
    """
    texels_per_m = focal_px / (_TEXEL_PER_PIXEL * distance_m)
    surface = Surface(0, np.ones(3), texels_per_m, np.zeros(2))
    axes = axes_with_normal(np.array([0.0, 0.0, -1.0]), _SPIN_RAD)
    wall = Primitive(Shape.SHEET, np.array([0.0, 0.0, distance_m]), axes, np.array([np.inf, np.inf, 0.0]), surface)
    light = Light(np.array([0.0, 0.0, -1.0]), np.array([0.0, -1.0, 0.0]), np.full(3, 0.5), np.full(3, 0.7))
    return Scene("target", 0, (wall,), light, _atlas())


@functools.cache
def _atlas() -> FloatArray:
    return build_atlas([np.repeat(dead_leaves(TEXTURE_SIZE)[..., None], 3, axis=2)])
