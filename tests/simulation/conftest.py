"""Small flat-lit scenes whose pictures can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from defocus_depth.simulation.scene_tables import build_atlas
from defocus_depth.simulation.scenes import Scene
from defocus_depth.simulation.shapes import NO_TEXTURE, Light, Primitive, Shape, Surface

# sky·(0.7 + 0.3·n·up) with up across the line of sight is sky·0.7 on a sheet that faces the camera.
FLAT_LIGHT = Light(np.array([0.0, 0.0, -1.0]), np.array([0.0, -1.0, 0.0]), np.zeros(3), np.full(3, 1 / 0.7))


def sheet(depth_m: float, colour: float, left_m: float = -np.inf, right_m: float = np.inf, texture: int = NO_TEXTURE):
    """A sheet across the line of sight from x = left to x = right, endless up and down."""
    if np.isinf(left_m):
        centre, half = 0.0, np.inf
    else:
        centre, half = 0.5 * (left_m + right_m), 0.5 * (right_m - left_m)
    height = np.inf if np.isinf(half) else 10.0
    surface = Surface(texture, np.full(3, colour), 1000.0)
    return Primitive(Shape.SHEET, np.array([centre, 0.0, depth_m]), np.eye(3), np.array([half, height, 0.0]), surface)


@pytest.fixture
def flat_scene():
    """Builds a flat-lit scene from primitives (and textures)."""

    def build(*primitives: Primitive, textures=()) -> Scene:
        return Scene("robot", 0, tuple(primitives), FLAT_LIGHT, build_atlas(textures))

    return build
