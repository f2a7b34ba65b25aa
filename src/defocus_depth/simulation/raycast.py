"""Compiled tracing of one ray: which primitive it meets, and the linear-light radiance there.

Textures are read from mip-maps at a width that the caller asks for, so that nothing aliases however few
rays are spent; the fraction between two levels is dithered over a pixel's rays.
"""

from __future__ import annotations

import math

from .compiled import pasted
from .intersections import MISS, hit, to_own_axes
from .scene_tables import (
    AXES,
    CENTRE,
    HALF_SIZE,
    LAMP_COLOUR,
    LEVEL_START,
    LEVELS,
    NEAREST,
    OFFSET,
    SHAPE,
    SKY_COLOUR,
    TEXELS_PER_M,
    TEXTURE,
    TO_LAMP,
    UP,
)
from .shapes import Shape
from .textures import TEXTURE_SIZE

_BOX, _SPHERE, _ROD = float(Shape.BOX), float(Shape.SPHERE), float(Shape.ROD)
_SKY_MEAN, _SKY_SWING = 0.7, 0.3


@pasted
def nearest_hit(rows, candidates, count, ray):  # noqa: ANN001, ANN201
    """(depth, primitive) of the first surface on the ray; the first `count` candidates are sorted by nearest z."""
    depth, owner = MISS, -1
    for index in range(count):
        primitive = candidates[index]
        if rows[primitive, NEAREST] >= depth:
            break
        z = hit(rows, primitive, ray)
        if z < depth:
            depth, owner = z, primitive
    return depth, owner


@pasted
def surface_at(rows, p, x, y, z):  # noqa: ANN001, ANN201
    """Surface coordinates u, v (m) and the unit normal in the axes of primitive `p`, at the camera's point x, y, z.

    u runs right where v runs down, as seen from outside: pictures are not mirrored.
    """
    q = to_own_axes(rows, p, x - rows[p, CENTRE], y - rows[p, CENTRE + 1], z - rows[p, CENTRE + 2])
    shape, radius = rows[p, SHAPE], rows[p, HALF_SIZE]
    if shape == _BOX:
        part_x, part_y = abs(q[0]) / radius, abs(q[1]) / rows[p, HALF_SIZE + 1]
        part_z = abs(q[2]) / rows[p, HALF_SIZE + 2]
        if part_z >= part_x and part_z >= part_y:
            side = math.copysign(1.0, q[2])
            return -side * q[0], q[1], (0.0, 0.0, side)
        if part_x >= part_y:
            side = math.copysign(1.0, q[0])
            return side * q[2], q[1], (side, 0.0, 0.0)
        side = math.copysign(1.0, q[1])
        return side * q[0], q[2], (0.0, side, 0.0)
    if shape == _SPHERE:
        up = min(1.0, max(-1.0, q[2] / radius))
        return radius * math.atan2(q[1], q[0]), radius * math.acos(up), (q[0] / radius, q[1] / radius, up)
    if shape == _ROD:
        half_length = rows[p, HALF_SIZE + 2]
        beyond = q[2] - min(half_length, max(-half_length, q[2]))
        return -radius * math.atan2(q[1], q[0]), q[2], (q[0] / radius, q[1] / radius, beyond / radius)
    away = rows[p, AXES + 6] * x + rows[p, AXES + 7] * y + rows[p, AXES + 8] * z > 0.0
    side = -1.0 if away else 1.0
    return -side * q[0], q[1], (0.0, 0.0, side)


@pasted
def texel_colour(atlas, t, u, v, width_texels, dither):  # noqa: ANN001, ANN201
    """Bilinear look-up at (u, v) texels of the repeating texture `t`, filtered to about `width_texels`."""
    level = 0
    if width_texels > 1.0:
        level = min(LEVELS - 1, int(math.log2(width_texels) + dither))
    size = TEXTURE_SIZE >> level
    shrink = 1.0 / (1 << level)
    su, sv = u * shrink - 0.5, v * shrink - 0.5
    fu, fv = math.floor(su), math.floor(sv)
    wu, wv = su - fu, sv - fv
    left, top = int(fu) & (size - 1), int(fv) & (size - 1)
    right, bottom = (left + 1) & (size - 1), (top + 1) & (size - 1)
    start = LEVEL_START[level]
    a, b = start + top * size + left, start + top * size + right
    c, d = start + bottom * size + left, start + bottom * size + right
    wa, wb, wc, wd = (1 - wu) * (1 - wv), wu * (1 - wv), (1 - wu) * wv, wu * wv
    return (
        wa * atlas[t, a, 0] + wb * atlas[t, b, 0] + wc * atlas[t, c, 0] + wd * atlas[t, d, 0],
        wa * atlas[t, a, 1] + wb * atlas[t, b, 1] + wc * atlas[t, c, 1] + wd * atlas[t, d, 1],
        wa * atlas[t, a, 2] + wb * atlas[t, b, 2] + wc * atlas[t, c, 2] + wd * atlas[t, d, 2],
    )


@pasted
def radiance(rows, atlas, p, point, width_m, dither):  # noqa: ANN001, ANN201
    """Linear RGB leaving primitive `p` at the camera's `point`, its texture filtered to about `width_m`."""
    u, v, n = surface_at(rows, p, point[0], point[1], point[2])
    red, green, blue = 1.0, 1.0, 1.0
    texture = int(rows[p, TEXTURE])
    if texture >= 0:
        scale = rows[p, TEXELS_PER_M]
        u, v = u * scale + rows[p, OFFSET], v * scale + rows[p, OFFSET + 1]
        red, green, blue = texel_colour(atlas, texture, u, v, width_m * scale, dither)
    lamp = max(0.0, n[0] * rows[p, TO_LAMP] + n[1] * rows[p, TO_LAMP + 1] + n[2] * rows[p, TO_LAMP + 2])
    sky = _SKY_MEAN + _SKY_SWING * (n[0] * rows[p, UP] + n[1] * rows[p, UP + 1] + n[2] * rows[p, UP + 2])
    return (
        red * (lamp * rows[p, LAMP_COLOUR] + sky * rows[p, SKY_COLOUR]),
        green * (lamp * rows[p, LAMP_COLOUR + 1] + sky * rows[p, SKY_COLOUR + 1]),
        blue * (lamp * rows[p, LAMP_COLOUR + 2] + sky * rows[p, SKY_COLOUR + 2]),
    )
