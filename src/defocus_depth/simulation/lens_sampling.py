"""Finite-aperture rendering: every pixel averages many pinhole views from points all over the lens, in linear light.

A ray leaves the lens at (l, 0) and passes where the pixel's central ray meets the focus plane; a point at
depth z is therefore displaced by fx·l·(1/z − F) pixels, and a disc of lens points of diameter G/fx gives a
blur disc of diameter G·|F − 1/z|: the circle of confusion. Occlusion is right by construction, because each
view sees only what its own lens point sees (Cook, Porter & Carpenter, "Distributed Ray Tracing", 1984).

Sampling: Vogel's spiral on the lens and an R2 sequence (Roberts 2018) inside the pixel, turned and shifted by a
hash of the pixel, so that what error remains is fine noise and not ghost images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..types import CameraIntrinsics, FloatArray
from .compiled import kernel, pasted
from .raycast import nearest_hit, radiance
from .scene_tables import NEAREST, SceneTables

TILE_PX = 16
PATTERNS = 256
_GOLDEN_ANGLE = math.pi * (3.0 - math.sqrt(5.0))
_R2 = (0.7548776662466927, 0.5698402909980532)
_R1 = 0.6180339887498949
_TEXTURE_WIDTH = 0.5  # texture filter, relative to the spacing of a pixel's rays on the surface


class View(NamedTuple):
    """The camera for one picture: intrinsics in pixels, aperture radius (m), focus (dpt), blur gain (px/dpt)."""

    fx: float
    fy: float
    cx: float
    cy: float
    aperture_radius_m: float
    focus_dpt: float
    gain_px_per_dpt: float


@dataclass(frozen=True)
class RayBudget:
    """How many rays a pixel gets, and which noise pattern."""

    samples_per_pixel: int = 64
    seed: int = 0


def make_view(camera: CameraIntrinsics, gain_px_per_dpt: float, focus_dpt: float) -> View:
    """View through a lens of diameter G/fx; a gain of 0 makes a pinhole."""
    radius_m = 0.5 * gain_px_per_dpt / camera.fx
    return View(camera.fx, camera.fy, camera.cx, camera.cy, radius_m, focus_dpt, gain_px_per_dpt)


def render_radiance(tables: SceneTables, camera: CameraIntrinsics, view: View, budget: RayBudget) -> FloatArray:
    """Linear RGB radiance, float32 (H, W, 3); 0 where nothing is met."""
    picture = np.zeros((camera.height, camera.width, 3), np.float32)
    _sample_lens(tables, view, sampling_patterns(budget.samples_per_pixel, budget.seed), budget.seed, picture)
    return picture


def render_depth(tables: SceneTables, camera: CameraIntrinsics) -> FloatArray:
    """Exact depth z (m) seen from the lens's centre through each pixel's centre, float32 (H, W); NaN for nothing."""
    depth_m = np.empty((camera.height, camera.width), np.float32)
    _cast_centres(tables, make_view(camera, 0.0, 0.0), depth_m)
    return depth_m


def sampling_patterns(count: int, seed: int) -> FloatArray:
    """Sampling patterns, float32 (PATTERNS, count, 5): a point in the unit disc, one in the pixel, a dither value."""
    k = np.arange(count)
    turn, radial, *shifts = np.random.default_rng(seed).random((5, PATTERNS, 1))
    angle = 2 * np.pi * turn + k * _GOLDEN_ANGLE
    radius = np.sqrt((k + radial) / count)
    inside = [(k * step + shift) % 1 for step, shift in zip((*_R2, _R1), shifts, strict=True)]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), *inside], axis=-1).astype(np.float32)


@pasted
def pattern_of(x, y, seed):  # noqa: ANN001, ANN202
    """Which pattern a pixel uses: a hash of its place (Wellons' lowbias32)."""
    h = np.uint32(x) * np.uint32(0x9E3779B1) ^ np.uint32(y) * np.uint32(0x85EBCA77) ^ np.uint32(seed)
    h = np.uint32(h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D)
    h = np.uint32(h ^ (h >> np.uint32(15))) * np.uint32(0x846CA68B)
    return (h ^ (h >> np.uint32(16))) % np.uint32(PATTERNS)


@pasted
def find_candidates(tables, view, tile, candidates):  # noqa: ANN001, ANN202
    """Fill in the primitives that the tile's pixels can see through any lens point, sorted by nearest z; their number.

    Seen from one lens point, a box's corners enclose the box; each corner wanders by half its blur over the lens.
    """
    rows, corners = tables.rows, tables.corners
    count = 0
    for primitive in range(rows.shape[0]):
        if not math.isnan(corners[primitive, 0, 0]):
            left, right, top, bottom = 1e30, -1e30, 1e30, -1e30
            for corner in range(8):
                z = max(corners[primitive, corner, 2], 1e-6)
                spread = 0.5 * view.gain_px_per_dpt * abs(view.focus_dpt - 1.0 / z) + 0.5
                x = view.cx + view.fx * corners[primitive, corner, 0] / z
                y = view.cy + view.fy * corners[primitive, corner, 1] / z
                left, right = min(left, x - spread), max(right, x + spread)
                top, bottom = min(top, y - spread), max(bottom, y + spread)
            if right < tile[0] or left > tile[2] or bottom < tile[1] or top > tile[3]:
                continue
        slot = count
        while slot > 0 and rows[candidates[slot - 1], NEAREST] > rows[primitive, NEAREST]:
            candidates[slot] = candidates[slot - 1]
            slot -= 1
        candidates[slot] = primitive
        count += 1
    return count


@kernel
def _sample_lens(tables, view, patterns, seed, picture):  # noqa: ANN001, ANN202
    rows, atlas = tables.rows, tables.atlas
    height, width = picture.shape[:2]
    candidates = np.empty(rows.shape[0], np.int64)
    for y0 in range(0, height, TILE_PX):
        for x0 in range(0, width, TILE_PX):
            y1, x1 = min(y0 + TILE_PX, height), min(x0 + TILE_PX, width)
            count = find_candidates(tables, view, (x0, y0, x1 - 1, y1 - 1), candidates)
            for y in range(y0, y1):
                for x in range(x0, x1):
                    pattern = patterns[pattern_of(x, y, seed)]
                    colour = sample_pixel(rows, atlas, view, pattern, candidates[:count], (x, y))
                    picture[y, x, 0], picture[y, x, 1], picture[y, x, 2] = colour


@pasted
def sample_pixel(rows, atlas, view, pattern, candidates, pixel):  # noqa: ANN001, ANN202
    """Mean linear RGB over the lens and the pixel's area."""
    samples, count = pattern.shape[0], candidates.shape[0]
    per_fx, per_fy = 1.0 / view.fx, 1.0 / view.fy
    left, top = pixel[0] - 0.5 - view.cx, pixel[1] - 0.5 - view.cy
    spacing = _TEXTURE_WIDTH / math.sqrt(samples)
    red, green, blue = 0.0, 0.0, 0.0
    for k in range(samples):
        lens_x, lens_y = view.aperture_radius_m * pattern[k, 0], view.aperture_radius_m * pattern[k, 1]
        dx = (left + pattern[k, 2]) * per_fx - lens_x * view.focus_dpt
        dy = (top + pattern[k, 3]) * per_fy - lens_y * view.focus_dpt
        z, owner = nearest_hit(rows, candidates, count, (lens_x, lens_y, dx, dy))
        if owner < 0:
            continue
        width_m = (z + view.gain_px_per_dpt * abs(view.focus_dpt * z - 1.0)) * spacing * per_fx
        point = (lens_x + z * dx, lens_y + z * dy, z)
        colour = radiance(rows, atlas, owner, point, width_m, pattern[k, 4])
        red, green, blue = red + colour[0], green + colour[1], blue + colour[2]
    return red / samples, green / samples, blue / samples


@kernel
def _cast_centres(tables, view, depth_m):  # noqa: ANN001, ANN202
    rows = tables.rows
    height, width = depth_m.shape
    candidates = np.empty(rows.shape[0], np.int64)
    for y0 in range(0, height, TILE_PX):
        for x0 in range(0, width, TILE_PX):
            y1, x1 = min(y0 + TILE_PX, height), min(x0 + TILE_PX, width)
            count = find_candidates(tables, view, (x0, y0, x1 - 1, y1 - 1), candidates)
            for y in range(y0, y1):
                for x in range(x0, x1):
                    ray = (0.0, 0.0, (x - view.cx) / view.fx, (y - view.cy) / view.fy)
                    z, owner = nearest_hit(rows, candidates, count, ray)
                    depth_m[y, x] = z if owner >= 0 else np.nan
