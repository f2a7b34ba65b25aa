"""Compiled ray–primitive intersections.

A ray is (lens x, lens y, slope x, slope y): it starts at (lens x, lens y, 0) and runs along (slope x, slope y, 1),
so its parameter is the depth z. Inside the `hit_…` functions it is an origin o and a direction d in the
primitive's own axes, with the primitive's centre as the origin. `MISS` stands for no hit.
"""

from __future__ import annotations

import math

from .compiled import pasted
from .scene_tables import AXES, CENTRE, HALF_SIZE, SHAPE
from .shapes import Shape

MISS = 1e30
_NEAREST = 1e-6  # hits closer than this (m) lie behind or on the lens
_BOX, _SPHERE, _ROD = float(Shape.BOX), float(Shape.SPHERE), float(Shape.ROD)


@pasted
def hit_sheet(o, d, half_x, half_y):  # noqa: ANN001, ANN201
    """Depth at which the ray meets the rectangle z = 0, |x| ≤ half_x, |y| ≤ half_y."""
    if d[2] == 0.0:
        return MISS
    z = -o[2] / d[2]
    if z < _NEAREST or abs(o[0] + z * d[0]) > half_x or abs(o[1] + z * d[1]) > half_y:
        return MISS
    return z


@pasted
def hit_box(o, d, half_x, half_y, half_z):  # noqa: ANN001, ANN201
    """Depth at which the ray enters the box |x| ≤ half_x, … (slab test)."""
    tiny = 1e-12  # keeps 0/0 out of rays that run along a face
    inverse = 1.0 / (d[0] if abs(d[0]) > tiny else tiny)
    first, last = (-half_x - o[0]) * inverse, (half_x - o[0]) * inverse
    enter, leave = min(first, last), max(first, last)
    inverse = 1.0 / (d[1] if abs(d[1]) > tiny else tiny)
    first, last = (-half_y - o[1]) * inverse, (half_y - o[1]) * inverse
    enter, leave = max(enter, min(first, last)), min(leave, max(first, last))
    inverse = 1.0 / (d[2] if abs(d[2]) > tiny else tiny)
    first, last = (-half_z - o[2]) * inverse, (half_z - o[2]) * inverse
    enter, leave = max(enter, min(first, last)), min(leave, max(first, last))
    return enter if _NEAREST < enter <= leave else MISS


@pasted
def hit_sphere(o, d, radius):  # noqa: ANN001, ANN201
    """Depth at which the ray enters the sphere around the origin."""
    a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
    b = o[0] * d[0] + o[1] * d[1] + o[2] * d[2]
    discriminant = b * b - a * (o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - radius * radius)
    if discriminant < 0.0:
        return MISS
    z = (-b - math.sqrt(discriminant)) / a
    return z if z > _NEAREST else MISS


@pasted
def hit_rod(o, d, radius, half_length):  # noqa: ANN001, ANN201
    """Depth at which the ray enters the bar around the z axis, round ends included."""
    a = d[0] * d[0] + d[1] * d[1]
    b = o[0] * d[0] + o[1] * d[1]
    discriminant = b * b - a * (o[0] * o[0] + o[1] * o[1] - radius * radius)
    if discriminant < 0.0:
        return MISS
    z = (-b - math.sqrt(discriminant)) / a if a > 0.0 else -MISS  # along the axis: came in from infinitely far
    along = o[2] + z * d[2]
    if z > _NEAREST and abs(along) <= half_length:
        return z
    end = half_length if along > 0.0 else -half_length
    return hit_sphere((o[0], o[1], o[2] - end), d, radius)


@pasted
def to_own_axes(rows, p, x, y, z):  # noqa: ANN001, ANN201
    """The vector (x, y, z) in the axes of primitive `p`."""
    return (
        rows[p, AXES] * x + rows[p, AXES + 1] * y + rows[p, AXES + 2] * z,
        rows[p, AXES + 3] * x + rows[p, AXES + 4] * y + rows[p, AXES + 5] * z,
        rows[p, AXES + 6] * x + rows[p, AXES + 7] * y + rows[p, AXES + 8] * z,
    )


@pasted
def hit(rows, p, ray):  # noqa: ANN001, ANN201
    """Depth at which the ray meets primitive `p`, or `MISS`."""
    o = to_own_axes(rows, p, ray[0] - rows[p, CENTRE], ray[1] - rows[p, CENTRE + 1], -rows[p, CENTRE + 2])
    d = to_own_axes(rows, p, ray[2], ray[3], 1.0)
    shape = rows[p, SHAPE]
    if shape == _BOX:
        return hit_box(o, d, rows[p, HALF_SIZE], rows[p, HALF_SIZE + 1], rows[p, HALF_SIZE + 2])
    if shape == _SPHERE:
        return hit_sphere(o, d, rows[p, HALF_SIZE])
    if shape == _ROD:
        return hit_rod(o, d, rows[p, HALF_SIZE], rows[p, HALF_SIZE + 2])
    return hit_sheet(o, d, rows[p, HALF_SIZE], rows[p, HALF_SIZE + 1])
