"""Rooms in which things stand on a table or the floor, seen by a camera that looks down at them.

One image does not show the sign of its blur. The layout of rooms does: a table runs towards the camera, so what lies
further down in the picture is nearer, and things are as far away as the place where they stand. Layers and floating
objects have nothing of this. The unit of length is the camera's height above what it looks at; the lens decides what
blur comes of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from defocus_depth.simulation.shapes import Pose, Primitive, Shape, Surface, axes_with_normal, moved, pose_looking

TILT_DEG = (12.0, 65.0)
ROLL_DEVIATION_RAD = 0.1
TABLE_SHARE = 0.65  # of the scenes; the others look at the floor
TABLE_HEIGHT = (0.4, 1.6)
TABLE_THICKNESS = 0.03
THINGS, FURNITURE = (4, 18), (1, 7)
NEAREST_SHARE = 0.2  # of the distance of what the camera looks at: nothing comes nearer
TRIES = 20
UP = np.array([0.0, -1.0, 0.0])
Rng = np.random.Generator
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Outlook:
    """Where the camera is and how much it sees: it stands in the origin of a world with y down and z ahead.

    Attributes:
        half_view: slope x/z at the picture's border.
        reach: distance at which its axis meets the plane one unit below it.
        ahead: that point's distance over ground.
    """

    pose: Pose
    half_view: float
    reach: float
    ahead: float

    def ground_seen(self, rng: Rng, height: float) -> Vector:
        """The point of the plane y = `height` in a random pixel; far away or behind the camera where it sees none."""
        x, y = rng.uniform(-1, 1, 2) * self.half_view
        ray = self.pose.rotation.T @ np.array([x, y, 1.0])
        return ray * (height / max(ray[1], 1e-3))

    def distance(self, point: Vector) -> float:
        """z of a point for the camera."""
        return float((self.pose.rotation @ point)[2])


def standing_things(rng: Rng, half_view: float) -> tuple[Primitive, ...]:
    """Bare primitives of a random room in the camera's frame (REP 103 optical); `half_view` as in `Outlook`."""
    outlook = _outlook(rng, half_view)
    table = _table(rng, outlook) if rng.random() < TABLE_SHARE else None
    floor_height = 1 + rng.uniform(*TABLE_HEIGHT) if table else 1.0
    room = list(_room(rng, outlook, floor_height))
    things = [thing for thing in _things(rng, outlook, table) if _is_clear(thing, outlook)]
    furniture = [thing for thing in _furniture(rng, outlook, floor_height) if _is_clear(thing, outlook)]
    world = [*room, *([table] if table else []), *things, *furniture]
    return tuple(moved(primitive, outlook.pose) for primitive in world)


def _outlook(rng: Rng, half_view: float) -> Outlook:
    tilt_rad = math.radians(rng.uniform(*TILT_DEG))
    looking = pose_looking(0.0, tilt_rad, np.zeros(3))
    roll_rad = rng.normal(0, ROLL_DEVIATION_RAD)
    cosine, sine = math.cos(roll_rad), math.sin(roll_rad)
    roll = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    return Outlook(
        Pose(roll @ looking.rotation, np.zeros(3)), half_view, 1 / math.sin(tilt_rad), 1 / math.tan(tilt_rad)
    )


def _upright(yaw_rad: float) -> Vector:
    """Axes (rows) of something that stands and is turned by `yaw_rad`."""
    cosine, sine = math.cos(yaw_rad), math.sin(yaw_rad)
    return np.array([[cosine, 0, -sine], [0, 1, 0], [sine, 0, cosine]])


def _table(rng: Rng, outlook: Outlook) -> Primitive:
    """A board whose top is one unit below the camera, shrunk until all of it lies before the camera."""
    width = outlook.reach * outlook.half_view
    half = np.array([width * rng.uniform(0.6, 1.8), TABLE_THICKNESS, width * outlook.reach * rng.uniform(0.4, 1.5)])
    centre = np.array([width * rng.uniform(-0.4, 0.4), 1 + TABLE_THICKNESS, outlook.ahead * rng.uniform(0.8, 1.15)])
    axes = _upright(rng.choice([rng.normal(0, 0.15), rng.uniform(0, math.pi)]))
    while True:
        table = Primitive(Shape.BOX, centre, axes, half.copy(), Surface())
        if _is_clear(table, outlook):
            return table
        half[::2] *= 0.85


def _is_clear(primitive: Primitive, outlook: Outlook) -> bool:
    """Whether all of it lies well before the camera."""
    distances = [outlook.distance(corner) for corner in primitive.corners_m()]
    return min(distances) > NEAREST_SHARE * outlook.reach


def _room(rng: Rng, outlook: Outlook, floor_height: float) -> Iterator[Primitive]:
    """Floor, far wall and sometimes a side wall, all without end."""
    yield _endless(np.array([0, floor_height, 1.0]), UP)
    far = outlook.ahead * floor_height * rng.uniform(1.1, 3.0) + rng.uniform(0.3, 2.0)
    yaw_rad = float(np.clip(rng.normal(0, 0.3), -0.5, 0.5))
    yield _endless(np.array([0, 0, far]), np.array([math.sin(yaw_rad), 0, -math.cos(yaw_rad)]))
    if rng.random() < 0.4:
        side = rng.choice([-1, 1])
        aside = side * outlook.reach * (0.3 + outlook.half_view * rng.uniform(0.8, 2.0))
        yield _endless(np.array([aside, 0, 1.0]), np.array([-side, 0, rng.normal(0, 0.2)]))


def _endless(point: Vector, normal: Vector) -> Primitive:
    return Primitive(Shape.SHEET, point, axes_with_normal(normal, 0.0), np.array([np.inf, np.inf, 0.0]), Surface())


def _things(rng: Rng, outlook: Outlook, table: Primitive | None) -> Iterator[Primitive]:
    """What stands or lies on the table, or on the floor one unit below the camera."""
    for _ in range(int(rng.integers(*THINGS))):
        place = _free_place(rng, outlook, table)
        if place is not None:
            size = outlook.distance(place) * outlook.half_view * _log_uniform(rng, 0.05, 0.4)
            yield _thing(rng, place, size)


def _free_place(rng: Rng, outlook: Outlook, table: Primitive | None) -> Vector | None:
    for _ in range(TRIES):
        place = outlook.ground_seen(rng, 1.0)
        on_table = table is None or np.all(np.abs(table.axes @ (place - table.centre_m))[::2] < table.half_size_m[::2])
        if on_table and outlook.distance(place) < 4 * outlook.reach:
            return place
    return None


def _thing(rng: Rng, place: Vector, size: float) -> Primitive:
    """A box, can, ball, book or pen of half size `size` (its largest) that stands at `place`."""
    kind = rng.choice(["box", "can", "ball", "book", "pen"], p=[0.3, 0.25, 0.12, 0.2, 0.13])
    axes = _upright(rng.uniform(0, math.pi))
    if kind == "ball":
        half, height, shape = np.array([0.6 * size, 0, 0]), 0.6 * size, Shape.SPHERE
    elif kind == "can":
        radius, length = size * rng.uniform(0.25, 0.6), size * rng.uniform(0.3, 0.9)
        half, height, shape = np.array([radius, 0, length]), length, Shape.ROD  # its round foot is inside the table
        axes = axes_with_normal(UP, rng.uniform(0, math.pi))
    elif kind == "pen":
        radius = size * rng.uniform(0.03, 0.12)
        half, height, shape = np.array([radius, 0, size]), radius, Shape.ROD
        axes = axes_with_normal(np.array([math.cos(yaw := rng.uniform(0, math.pi)), 0, math.sin(yaw)]), 0.0)
    else:
        flatness = rng.uniform(0.03, 0.15) if kind == "book" else rng.uniform(0.4, 1.6)
        half = size * np.array([rng.uniform(0.4, 1), flatness, rng.uniform(0.4, 1)])
        height, shape = half[1], Shape.BOX
    return Primitive(shape, place - np.array([0, height, 0]), axes, half, Surface())


def _furniture(rng: Rng, outlook: Outlook, floor_height: float) -> Iterator[Primitive]:
    """Boxes and poles on the floor, mostly behind what the camera looks at."""
    for _ in range(int(rng.integers(*FURNITURE))):
        place = outlook.ground_seen(rng, floor_height)
        if place[2] > outlook.ahead and outlook.distance(place) < 6 * outlook.reach:
            yield _thing(rng, place, outlook.reach * _log_uniform(rng, 0.1, 0.6))


def _log_uniform(rng: Rng, low: float, high: float) -> float:
    return low * (high / low) ** rng.random()
