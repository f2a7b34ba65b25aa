"""What closes the view: a wall at any tilt, a ramp through the whole depth range, or a wall that stands on a floor.

A plane's inverse depth is affine in the image, 1/z = a·x + b·y + c with x, y the ray's slopes, so planes are
made by choosing dioptres at the corners of a frame somewhat larger than the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .rigs import Rig
from .shapes import Primitive, Shape, Surface, axes_with_normal

FRAME_MARGIN = 1.25  # planes keep to the depth range this far beyond the picture: room for a moving view
RANGE_MARGIN = 1.02


@dataclass(frozen=True)
class Backdrop:
    """Endless planes, and their inverse depth coefficients (a, b, c), float64 (planes, 3)."""

    primitives: tuple[Primitive, ...]
    coefficients: npt.NDArray[np.float64]

    def inverse_depth_dpt(self, slope_x: float, slope_y: float) -> float:
        """1/z of the nearest plane along the ray (slope_x, slope_y, 1)."""
        return float(np.max(self.coefficients @ (slope_x, slope_y, 1.0)))


def half_view(rig: Rig) -> tuple[float, float]:
    """Slopes x/z and y/z at the right and bottom edges of the picture."""
    return 0.5 * rig.camera.width / rig.camera.fx, 0.5 * rig.camera.height / rig.camera.fy


def make_backdrop(rng: np.random.Generator, rig: Rig) -> Backdrop:
    """A random backdrop within the rig's depth range."""
    far_dpt, near_dpt = RANGE_MARGIN / rig.depth_max_m, 1 / (RANGE_MARGIN * rig.depth_min_m)
    kind = rng.choice(["wall", "ramp", "corner"], p=[0.5, 0.2, 0.3])
    if kind == "ramp":
        near_end_dpt = _between(rng, far_dpt, near_dpt, 0.3, 1.0)
        return _backdrop(rng, [_plane(rig, far_dpt, near_end_dpt, rng.uniform(0, 2 * math.pi))])
    wall_dpt = 1 / rng.uniform(0.45 / far_dpt, 1 / far_dpt)  # uniform in metres: most walls are far
    steepness = rng.choice([rng.uniform(0.0, 0.05), rng.uniform(0.05, 0.4)])
    wall = _plane(rig, wall_dpt, wall_dpt + steepness * (near_dpt - wall_dpt), rng.uniform(0, 2 * math.pi))
    if kind == "wall":
        return _backdrop(rng, [wall])
    floor_near_dpt = _between(rng, far_dpt, near_dpt, 0.4, 1.0)
    floor_far_dpt = far_dpt - rng.uniform(0.0, 1.0) * (floor_near_dpt - far_dpt)  # passes behind the wall
    return _backdrop(rng, [wall, _plane(rig, floor_far_dpt, floor_near_dpt, math.pi / 2 + rng.normal(0, 0.3))])


def _between(rng: np.random.Generator, low: float, high: float, first_share: float, last_share: float) -> float:
    return low + rng.uniform(first_share, last_share) * (high - low)


def _plane(rig: Rig, lowest_dpt: float, highest_dpt: float, towards_rad: float) -> npt.NDArray[np.float64]:
    """Coefficients of the plane between the two dioptres over the widened frame, nearest in direction `towards_rad`."""
    half_x, half_y = half_view(rig)
    across, down = math.cos(towards_rad), math.sin(towards_rad)
    swing = 0.5 * (highest_dpt - lowest_dpt) / (FRAME_MARGIN * (abs(across) + abs(down)))
    return np.array([swing * across / half_x, swing * down / half_y, 0.5 * (highest_dpt + lowest_dpt)])


def _backdrop(rng: np.random.Generator, planes: list[npt.NDArray[np.float64]]) -> Backdrop:
    return Backdrop(tuple(_endless(rng, plane) for plane in planes), np.array(planes))


def _endless(rng: np.random.Generator, plane: npt.NDArray[np.float64]) -> Primitive:
    """The plane a·x + b·y + c·z = 1 as a sheet without end, its origin on the optical axis."""
    axes = axes_with_normal(plane, rng.choice([0.0, rng.uniform(0, 2 * math.pi)]))
    return Primitive(Shape.SHEET, np.array([0.0, 0.0, 1 / plane[2]]), axes, np.array([np.inf, np.inf, 0.0]), Surface())
