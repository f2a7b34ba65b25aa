"""Random layered scenes: a room and shapes before it, each a full layer of colour, alpha and inverse depth.

Because a layer goes on behind whatever covers it, blurring each by its own circle of confusion and compositing from
back to front shows partly occluded background as a real lens does. Inverse depth is in pixels, u = G/d: the one
scale that blur knows, so one scene serves every lens (`coc_px = G·F − u`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .textures import Texture, plain_texture, random_texture, spectral_noise

Rng = np.random.Generator
Map = npt.NDArray[np.float32]
SPOT_CELL_PX = 4
"""Cell in which soft spots of light are drawn: their edges are no sharper."""


@dataclass(frozen=True)
class Layer:
    """`rgba` (n, n, 4) linear and premultiplied by alpha; `inverse_depth_px` (n, n) is defined everywhere."""

    rgba: Map
    inverse_depth_px: Map


@dataclass(frozen=True)
class LayeredScene:
    """Layers from back to front, and the inverse depth (px) that a pinhole would see."""

    layers: tuple[Layer, ...]
    inverse_depth_px: Map


def random_scene(rng: Rng, size: int, near_far_px: tuple[float, float], photos: Sequence[Texture] = ()) -> LayeredScene:
    """A room and up to seven shapes whose inverse depth lies within `near_far_px` = (largest, smallest) u."""
    near, far = near_far_px
    layers = [_room(rng, size, near_far_px, photos)]
    visible = layers[0].inverse_depth_px
    for centre_u in np.sort(rng.uniform(far, near, rng.integers(0, 8))):
        layer, alpha = _shape(rng, size, (float(centre_u), near, far), photos)
        in_front = np.maximum(layer.inverse_depth_px, visible)  # a shape never dips behind what it covers
        layers.append(Layer(layer.rgba, in_front.astype(np.float32)))
        visible = np.where(alpha > 0.5, in_front, visible).astype(np.float32)
    return LayeredScene(tuple(layers), visible)


def _plane(rng: Rng, size: int, centre_u: float, steepness_px: float) -> Map:
    """Inverse depth of a tilted plane is linear in image coordinates."""
    y, x = np.mgrid[-0.5 : 0.5 : size * 1j, -0.5 : 0.5 : size * 1j]
    angle = rng.uniform(0, 2 * np.pi)
    return (centre_u + steepness_px * (x * np.cos(angle) + y * np.sin(angle))).astype(np.float32)


def _surface(rng: Rng, size: int, photos: Sequence[Texture]) -> Texture:
    texture = plain_texture(rng, size) if rng.random() < 0.15 else random_texture(rng, size, photos)
    light = 1 + rng.uniform(0, 0.9) * (spectral_noise(rng, size // 8, 2.0) - 0.5)
    light = cv2.resize(light, (size, size), interpolation=cv2.INTER_CUBIC).clip(0.05)
    return texture * (light * _shadows_and_highlights(rng, size))[..., None]


def _shadows_and_highlights(rng: Rng, size: int) -> Map:
    """A factor (size, size): spots whose edges are soft however the lens is focused. They are not blur."""
    coarse = size // SPOT_CELL_PX
    light = np.zeros((coarse, coarse), np.float32)
    for _ in range(int(rng.integers(0, 4))):
        spot = np.zeros_like(light)
        centre = tuple(int(v) for v in rng.integers(0, coarse, 2))
        axes_cells = tuple(int(v) for v in np.exp(rng.uniform(np.log(1.5), np.log(coarse / 3), 2)))
        cv2.ellipse(spot, centre, axes_cells, float(rng.uniform(0, 180)), 0, 360, 1.0, -1)
        softness_cells = float(np.exp(rng.uniform(np.log(0.7), np.log(8.0))))
        light += np.float32(rng.uniform(-1.3, 0.9)) * cv2.GaussianBlur(spot, (0, 0), softness_cells)
    return np.exp(cv2.resize(light, (size, size), interpolation=cv2.INTER_CUBIC)).astype(np.float32)


def _room(rng: Rng, size: int, near_far_px: tuple[float, float], photos: Sequence[Texture]) -> Layer:
    near, far = near_far_px
    span = near - far
    wall = _plane(rng, size, far + span * rng.uniform(0, 0.5) ** 2, span * rng.uniform(0, 0.5))
    colour = _surface(rng, size, photos)
    for _ in range(int(rng.integers(0, 3))):  # floor, table or side wall: another plane in front of it
        other = _plane(rng, size, far + span * rng.uniform(-0.2, 0.5), span * rng.uniform(0.3, 1.6))
        colour = np.where((other > wall)[..., None], _surface(rng, size, photos), colour)
        wall = np.maximum(wall, other)
    if rng.random() < 0.3:
        wall = wall + span * rng.uniform(0, 0.25) * (spectral_noise(rng, size, 2.2) - 0.5)
    alpha = np.ones((size, size, 1), np.float32)
    return Layer(np.concatenate([colour, alpha], 2), np.clip(wall, far, near).astype(np.float32))


def _shape(rng: Rng, size: int, depths_px: tuple[float, float, float], photos: Sequence[Texture]) -> tuple[Layer, Map]:
    centre_u, near, far = depths_px
    alpha, bulge = _outline(rng, size)
    relief = (near - far) * (rng.uniform(0, 0.2) if rng.random() < 0.5 else 0.0)
    inverse_depth = _plane(rng, size, centre_u, (near - far) * rng.uniform(0, 0.6) ** 2) + relief * bulge
    colour = _surface(rng, size, photos) * (1 - rng.uniform(0, 0.7) * (1 - bulge))[..., None]
    rgba = np.concatenate([colour * alpha[..., None], alpha[..., None]], 2).astype(np.float32)
    return Layer(rgba, np.clip(inverse_depth, far, near).astype(np.float32)), alpha


def _outline(rng: Rng, size: int) -> tuple[Map, Map]:
    """Anti-aliased alpha (n, n) and a rounded bulge 0..1 for shading and relief."""
    scale = 4
    canvas = np.zeros((size * scale, size * scale), np.uint8)
    centre = rng.uniform(0.05, 0.95, 2) * size * scale
    radius = np.exp(rng.uniform(np.log(0.06), np.log(0.45))) * size * scale
    kind = rng.random()
    if kind < 0.3:
        axes = (int(radius), int(radius * rng.uniform(0.4, 1)))
        cv2.ellipse(canvas, (int(centre[0]), int(centre[1])), axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)
    elif kind < 0.8:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 10))))
        if rng.random() < 0.5:  # a box: four near-right angles
            angles = rng.uniform(0, np.pi) + np.pi / 2 * np.arange(4) + rng.uniform(-0.2, 0.2, 4)
        corners = centre + radius * rng.uniform(0.7, 1.2) * np.stack([np.cos(angles), np.sin(angles)], 1)
        cv2.fillPoly(canvas, [corners.astype(np.int32)], 255)
    else:  # poles and wires
        angle, length = rng.uniform(0, np.pi), size * scale * rng.uniform(0.3, 2)
        step = 0.5 * length * np.array([np.cos(angle), np.sin(angle)])
        start, end = (centre - step).astype(int), (centre + step).astype(int)
        width = int(scale * np.exp(rng.uniform(np.log(1.5), np.log(14))))
        cv2.line(canvas, (int(start[0]), int(start[1])), (int(end[0]), int(end[1])), 255, width)
    alpha = np.asarray(cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)
    inside = cv2.distanceTransform((alpha > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    return alpha.astype(np.float32), np.sqrt(inside / (inside.max() + 1e-6)).astype(np.float32)
