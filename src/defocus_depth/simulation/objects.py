"""The things that stand before a backdrop: boxes, balls, tilted cards, poles and wires."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .backdrops import FRAME_MARGIN, RANGE_MARGIN, Backdrop, half_view
from .rigs import Rig
from .shapes import Primitive, Shape, Surface, axes_with_normal

# Half extents relative to half the picture's width, at the object's depth.
SMALLEST, LARGEST = 0.08, 0.6
POLE_HALF_LENGTH = (0.4, 2.5)
POLE_RADIUS = (0.008, 0.05)
WIRE_RADIUS = (0.0015, 0.006)  # half a pixel to two pixels at 640
_KINDS = ("box", "ball", "card", "pole", "wire")
_WEIGHTS = (0.3, 0.2, 0.22, 0.16, 0.12)

Vector = npt.NDArray[np.float64]


def make_object(rng: np.random.Generator, rig: Rig, backdrop: Backdrop, nearness: float) -> Primitive:
    """One object, 0 ≤ `nearness` ≤ 1 of the way (in dioptres) from the backdrop to the rig's nearest depth."""
    half_x, half_y = half_view(rig)
    slope_x, slope_y = rng.uniform(-1, 1, 2) * FRAME_MARGIN * (half_x, half_y)
    behind_dpt = backdrop.inverse_depth_dpt(slope_x, slope_y)
    depth_m = 1 / (behind_dpt + nearness * max(0.0, 1 / rig.depth_min_m - behind_dpt))
    shape, axes, extent = _form(rng)
    extent = extent * half_x  # per metre of depth
    reach = _reach_towards_camera(shape, axes, extent)
    depth_m = max(depth_m, RANGE_MARGIN * rig.depth_min_m / max(0.05, 1 - reach))
    centre_m = depth_m * np.array([slope_x, slope_y, 1.0])
    return Primitive(shape, centre_m, axes, extent * depth_m, Surface())


def _form(rng: np.random.Generator) -> tuple[Shape, Vector, Vector]:
    """Shape, axes and half sizes relative to half the picture's width."""
    kind = rng.choice(_KINDS, p=_WEIGHTS)
    size = _log_uniform(rng, SMALLEST, LARGEST)
    if kind == "ball":
        return Shape.SPHERE, axes_with_normal(rng.normal(size=3), 0.0), np.array([0.8 * size, 0.0, 0.0])
    if kind == "box":
        return Shape.BOX, axes_with_normal(rng.normal(size=3), _spin(rng)), size * rng.uniform(0.3, 1.0, 3)
    if kind == "card":
        facing = np.array([*rng.normal(0, 0.7, 2), -1.0])
        return Shape.SHEET, axes_with_normal(facing, _spin(rng)), size * np.array([*rng.uniform(0.5, 1.5, 2), 0.0])
    radius = _log_uniform(rng, *(WIRE_RADIUS if kind == "wire" else POLE_RADIUS))
    along = np.array([*_upright_or_not(rng), rng.normal(0, 0.4)])
    return Shape.ROD, axes_with_normal(along, 0.0), np.array([radius, 0.0, _log_uniform(rng, *POLE_HALF_LENGTH)])


def _reach_towards_camera(shape: Shape, axes: Vector, extent: Vector) -> float:
    """How far the object extends along z from its centre, per metre of depth."""
    if shape == Shape.SPHERE:
        return float(extent[0])
    if shape == Shape.ROD:
        return float(extent[0] + extent[2] * abs(axes[2, 2]))
    return float(extent @ np.abs(axes[:, 2]))


def _upright_or_not(rng: np.random.Generator) -> tuple[float, float]:
    lean_rad = rng.choice([rng.normal(0, 0.1), rng.uniform(0, math.pi)])
    return math.sin(lean_rad), math.cos(lean_rad)


def _spin(rng: np.random.Generator) -> float:
    return rng.uniform(0, 2 * math.pi)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return low * (high / low) ** rng.random()
