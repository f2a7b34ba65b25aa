"""What scenes are made of: oriented sheets, boxes, spheres and rods, and the light that falls on them.

Coordinates are the camera's optical frame (REP 103): x right, y down, z forward, metres.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
NO_TEXTURE = -1


class Shape(IntEnum):
    """Kinds of primitive; the half sizes (x, y, z) along its own axes mean what is said here."""

    SHEET = 0  # flat, in its x-y plane: half width, half height (inf allowed), 0
    BOX = 1  # half extents
    SPHERE = 2  # radius, 0, 0
    ROD = 3  # round bar along its z axis with round ends: radius, 0, half length between the end centres


@dataclass(frozen=True)
class Surface:
    """How a primitive looks.

    Attributes:
        texture: index into the scene's textures, `NO_TEXTURE` for a plain colour.
        tint: linear RGB that multiplies the texture, or is the plain colour; (3,).
        texels_per_m: texture resolution on the surface.
        offset_texels: where on the texture the primitive's own origin lies; (2,).
    """

    texture: int = NO_TEXTURE
    tint: Vector = field(default_factory=lambda: np.ones(3))
    texels_per_m: float = 1.0
    offset_texels: Vector = field(default_factory=lambda: np.zeros(2))


@dataclass(frozen=True)
class Primitive:
    """One solid or sheet: `axes` holds its unit x, y, z axes as rows, in camera coordinates."""

    shape: Shape
    centre_m: Vector
    axes: Vector
    half_size_m: Vector
    surface: Surface

    def corners_m(self) -> Vector:
        """Eight corners of the oriented bounding box of a finite primitive, (8, 3) m."""
        extent = self.half_size_m
        if self.shape in (Shape.SPHERE, Shape.ROD):
            extent = np.full(3, self.half_size_m[0]) + (0, 0, self.half_size_m[2])
        signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        return self.centre_m + (signs * extent) @ self.axes

    @property
    def is_finite(self) -> bool:
        """Whether the primitive ends somewhere."""
        return bool(np.isfinite(self.half_size_m).all())


@dataclass(frozen=True)
class Light:
    """A distant lamp and a sky: radiance of a white surface = lamp·max(0, n·direction) + sky·(0.7 + 0.3 n·up).

    Attributes:
        direction: unit vector towards the lamp, (3,).
        up: unit vector towards the brighter half of the surroundings, (3,).
        lamp, sky: linear RGB, (3,).
    """

    direction: Vector
    up: Vector
    lamp: Vector
    sky: Vector


@dataclass(frozen=True)
class Pose:
    """A camera position in the scene: a point p of the scene is at rotation @ (p − position) for the camera."""

    rotation: Vector
    position_m: Vector


def moved(primitive: Primitive, pose: Pose) -> Primitive:
    """The primitive as the camera at `pose` sees it."""
    return dataclasses.replace(
        primitive,
        centre_m=pose.rotation @ (primitive.centre_m - pose.position_m),
        axes=primitive.axes @ pose.rotation.T,
    )


def moved_light(light: Light, pose: Pose) -> Light:
    """The light as the camera at `pose` sees it."""
    return dataclasses.replace(light, direction=pose.rotation @ light.direction, up=pose.rotation @ light.up)


def axes_with_normal(normal: Vector, spin_rad: float) -> Vector:
    """Right-handed unit axes as rows whose z is `normal`, turned about it by `spin_rad`; (3, 3)."""
    z = normal / np.linalg.norm(normal)
    helper = np.eye(3)[int(np.argmin(np.abs(z)))]
    x = np.cross(helper, z)
    x /= np.linalg.norm(x)
    y = np.cross(z, x)
    cosine, sine = math.cos(spin_rad), math.sin(spin_rad)
    return np.stack([cosine * x + sine * y, cosine * y - sine * x, z])


def pose_looking(pan_rad: float, tilt_rad: float, position_m: Vector) -> Pose:
    """A camera at `position_m`, turned right by `pan_rad` and then down by `tilt_rad`."""
    cos_pan, sin_pan = math.cos(pan_rad), math.sin(pan_rad)
    cos_tilt, sin_tilt = math.cos(tilt_rad), math.sin(tilt_rad)
    turn = np.array([[cos_pan, 0, -sin_pan], [0, 1, 0], [sin_pan, 0, cos_pan]])
    nod = np.array([[1, 0, 0], [0, cos_tilt, -sin_tilt], [0, sin_tilt, cos_tilt]])
    return Pose(nod @ turn, np.asarray(position_m, np.float64))
