"""Rooms, table tops, shelves and hanging things, laid out so that all depths of a rig share the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .lighting import environment, lamps
from .meshes import Mesh, box, quad, tube
from .objects import thing
from .renderer import Material, SceneDescription, Surface
from .rigs import Rig

Array = npt.NDArray[np.float64]
_PLACES_TRIED = 12


@dataclass(frozen=True)
class Ground:
    """The plane things stand on: `normal`·p = 1 in the camera frame (its pixels have 1/z = normal·ray)."""

    normal: Array

    @property
    def axes(self) -> Array:
        """Columns right, forward, up of the room, in the camera frame."""
        up = -self.normal / np.linalg.norm(self.normal)
        forward = np.array([0, 0, 1.0]) - up[2] * up
        forward /= np.linalg.norm(forward)
        return np.stack([np.cross(forward, up), forward, up], 1).astype(np.float64)

    def point(self, rig: Rig, u_px: float, depth_m: float) -> Array:
        """Where the ground lies at depth z in the vertical plane through image column `u_px`."""
        x = (u_px - rig.camera.cx) / rig.camera.fx * depth_m
        return np.array([x, (1 - self.normal[0] * x - self.normal[2] * depth_m) / self.normal[1], depth_m])


@dataclass(frozen=True)
class Room:
    """Ground, surfaces of the room, and the inverse depth (dpt) of its back."""

    ground: Ground
    surfaces: list[Surface]
    back_dpt: float


class SceneMaker:
    """Draws scenes for one rig from one random generator."""

    def __init__(self, rig: Rig, rng: np.random.Generator) -> None:
        self._rig, self._rng = rig, rng
        self._near_dpt, self._far_dpt = 1 / rig.near_m, 1 / rig.far_m

    def make(self) -> SceneDescription:
        """One scene in the camera frame, metres."""
        layout = str(self._rng.choice(["table", "table", "hanging", "shelf", "above"]))
        room = {"table": self._table, "hanging": self._table, "shelf": self._shelf, "above": self._above}[layout]()
        things = self._things(room, layout)
        centre = room.ground.point(self._rig, self._rig.camera.cx, 0.6 / room.back_dpt)
        lights = lamps(self._rng, room.ground.axes, centre, 1 / room.back_dpt)
        sky = environment(self._rng)
        return SceneDescription(room.surfaces + things, lights, sky, {"layout": layout, "things": len(things)})

    # rooms

    def _table(self) -> Room:
        """A table or floor that runs to a wall, sometimes with a wall beside it."""
        rng, camera = self._rng, self._rig.camera
        back = self._back_dpt()
        bottom = self._between(0.08, 0.6)
        foot_px = camera.height * rng.uniform(0.2, 0.6)
        ground = self._ground(back, foot_px, bottom)
        foot = ground.point(self._rig, camera.cx, 1 / back)
        surfaces = [self._floor(ground, back), self._wall(ground, foot, rng.uniform(-0.5, 0.5), 1 / back)]
        if rng.random() < 0.35:
            surfaces.append(self._side_wall(ground, back))
        return Room(ground, surfaces, back)

    def _shelf(self) -> Room:
        """A wall with boards at several heights and depths."""
        room = self._table()
        rng, camera = self._rng, self._rig.camera
        right, forward, up = room.ground.axes.T
        boards = []
        for _ in range(int(rng.integers(2, 5))):
            inverse = rng.uniform(room.back_dpt * 1.1, room.back_dpt + 0.5 * (self._near_dpt - room.back_dpt))
            depth = 1 / inverse
            scale = depth / camera.fx
            size = box(camera.width * rng.uniform(0.4, 1.6) * scale, 60 * scale, rng.uniform(5, 14) * scale)
            position = self._ray(rng.uniform(0, camera.width), rng.uniform(0.1, 0.8) * camera.height) * depth
            boards.append(self._surface(size.moved(np.stack([right, forward, up], 1), position), depth))
        return Room(room.ground, room.surfaces + boards, room.back_dpt)

    def _above(self) -> Room:
        """Looking down on a floor that fills the picture."""
        back = self._back_dpt()
        bottom = back + self._rng.uniform(0.02, 0.25) * (self._near_dpt - back)
        ground = self._ground(back, 0.0, bottom)
        return Room(ground, [self._floor(ground, back * 0.9)], back)

    def _ground(self, back_dpt: float, foot_px: float, bottom_dpt: float) -> Ground:
        """The plane at `back_dpt` in image row `foot_px` and at `bottom_dpt` in the lowest row, rolled a little."""
        camera = self._rig.camera
        top, low = (foot_px - camera.cy) / camera.fy, (camera.height - 1 - camera.cy) / camera.fy
        slope = (bottom_dpt - back_dpt) / (low - top)
        return Ground(np.array([slope * self._rng.normal(0, 0.06), slope, bottom_dpt - slope * low]))

    def _floor(self, ground: Ground, back_dpt: float) -> Surface:
        right, forward, _ = ground.axes.T
        start = ground.point(self._rig, self._rig.camera.cx, 1e-3)
        reach = 1.5 / back_dpt + np.linalg.norm(start)
        mesh = quad(start - right * reach - forward * reach, 2 * right * reach, 3 * forward * reach)
        return self._surface(mesh, 0.6 / back_dpt)

    def _wall(self, ground: Ground, foot: Array, yaw: float, depth_m: float) -> Surface:
        right, forward, up = ground.axes.T
        along = np.cos(yaw) * right + np.sin(yaw) * forward
        reach = 3 * self._rig.far_m
        return self._surface(quad(foot - along * reach - up * 0.1 * reach, 2 * along * reach, up * reach), depth_m)

    def _side_wall(self, ground: Ground, back_dpt: float) -> Surface:
        right, forward, up = ground.axes.T
        side = self._rng.choice([-1, 1])
        camera = self._rig.camera
        edge_dpt = self._between(0.08, 0.6)
        start = ground.point(self._rig, camera.cx, 1 / back_dpt)
        start = start + side * right * (camera.width / 2 / camera.fx / edge_dpt) - forward * 3 / back_dpt
        return self._surface(quad(start, forward * 3 / back_dpt, up * self._rig.far_m), 0.6 / back_dpt)

    # things

    def _things(self, room: Room, layout: str) -> list[Surface]:
        """A few things at inverse depths from just before the background to the near end, most of them far."""
        count = int(self._rng.integers(4, 10))
        span = self._near_dpt * 0.97 - room.back_dpt * 1.05
        levels = room.back_dpt * 1.05 + span * ((np.arange(count) + self._rng.random(count)) / count) ** 2
        surfaces: list[Surface] = []
        taken: list[tuple[Array, float]] = []
        for level in levels:
            surfaces += self._thing(room, layout, float(level), taken)
        return surfaces

    def _thing(self, room: Room, layout: str, inverse_dpt: float, taken: list[tuple[Array, float]]) -> list[Surface]:
        """A thing that stands, floats or hangs at about `inverse_dpt`; nothing where no place is free among `taken`."""
        rng, camera = self._rng, self._rig.camera
        nearness = (inverse_dpt - self._far_dpt) / (self._near_dpt - self._far_dpt)
        size_px = rng.uniform(40, 115) * (1 + 1.2 * nearness)
        depth = 1 / inverse_dpt
        depth = max(depth, self._rig.near_m / (1 - size_px / 2 / camera.fx) * 1.02) if layout != "above" else depth
        size = size_px * depth / camera.fx
        _, parts = thing(rng, size)
        place = self._free_place(room, layout, depth, size, taken)
        if place is None:
            return []
        origin, floating = place
        taken.append((origin, size))
        tumbled = floating and rng.random() < 0.6
        rotation = room.ground.axes @ (_random_rotation(rng) if tumbled else _yaw(rng.uniform(0, 2 * np.pi)))
        surfaces = [self._surface(part.moved(rotation, origin), depth) for part in parts]
        if layout == "hanging":
            up = room.ground.axes[:, 2]
            path = origin + up * np.linspace(0, camera.height * 1.5 * depth / camera.fx, 8)[:, None]
            surfaces.append(self._surface(tube(path, rng.uniform(0.5, 2) * depth / camera.fx), depth))
        return surfaces

    def _free_place(
        self, room: Room, layout: str, depth: float, size: float, taken: list[tuple[Array, float]]
    ) -> tuple[Array, bool] | None:
        """Where a thing of `size` (m) may be at `depth` (m), and whether it floats there."""
        rng, camera = self._rng, self._rig.camera
        for _ in range(_PLACES_TRIED):
            u, v = rng.uniform(-0.05, 1.05) * camera.width, rng.uniform(0.0, 0.9) * camera.height
            origin = room.ground.point(self._rig, u, depth)
            floating = (
                layout == "hanging"
                or (layout in ("shelf", "above") and rng.random() < 0.5)
                or origin[1] / depth > 0.6 * camera.height / camera.fy
            )
            if floating:
                origin = self._ray(u, v) * depth
            if all(np.linalg.norm(origin - other) > 0.4 * (size + other_size) for other, other_size in taken):
                return origin, floating
        return None

    # small draws

    def _surface(self, mesh: Mesh, depth_m: float) -> Surface:
        """`mesh` in a random material whose texels have the size of about a pixel at `depth_m`."""
        rng = self._rng
        texture_seed = int(rng.integers(2**32))
        texel_m = float(np.exp(rng.uniform(np.log(0.35), np.log(2.2)))) * depth_m / self._rig.camera.fx
        kind = str(rng.choice(["diffuse", "plastic", "metal"], p=[0.62, 0.3, 0.08]))
        return Surface(mesh, Material(texture_seed, texel_m, kind, float(rng.uniform(0.12, 0.4))))

    def _back_dpt(self) -> float:
        """Inverse depth of the background: in the farthest third of the rig's range, metres drawn evenly."""
        return 1 / self._rng.uniform(0.65 * self._rig.far_m, 0.95 * self._rig.far_m)

    def _between(self, low: float, high: float) -> float:
        """An inverse depth between far (0) and near (1)."""
        return self._far_dpt + self._rng.uniform(low, high) * (self._near_dpt - self._far_dpt)

    def _ray(self, u_px: float, v_px: float) -> Array:
        camera = self._rig.camera
        return np.array([(u_px - camera.cx) / camera.fx, (v_px - camera.cy) / camera.fy, 1.0])


def _yaw(angle: float) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def _random_rotation(rng: np.random.Generator) -> Array:
    basis, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return basis * np.sign(np.linalg.det(basis))
