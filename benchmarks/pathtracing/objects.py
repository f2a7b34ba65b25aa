"""Things to put into a scene, each a few meshes that stand on z = 0 and are about `size` metres high."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .meshes import Mesh, ball, blob, box, cylinder, extrusion, height_field, joined, lathe, ring, star, tube, vase

Parts = list[Mesh]


def _lifted(mesh: Mesh, x: float = 0, y: float = 0, z: float = 0, yaw: float = 0) -> Mesh:
    c, s = np.cos(yaw), np.sin(yaw)
    return mesh.moved(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]), np.array([x, y, z]))


def carton(rng: np.random.Generator, size: float) -> Parts:
    """A box of random proportions."""
    return [box(size * rng.uniform(0.5, 1.4), size * rng.uniform(0.4, 1.2), size)]


def books(rng: np.random.Generator, size: float) -> Parts:
    """A pile of boxes, each turned a little."""
    count = int(rng.integers(2, 6))
    parts, level = [], 0.0
    for _ in range(count):
        thickness = size / count * rng.uniform(0.6, 1.2)
        cover = box(size * rng.uniform(0.8, 1.2), size * rng.uniform(0.6, 0.9), thickness)
        parts.append(_lifted(cover, z=level, yaw=rng.normal(0, 0.2)))
        level += thickness
    return parts


def can(rng: np.random.Generator, size: float) -> Parts:
    """An upright cylinder."""
    return [cylinder(size * rng.uniform(0.15, 0.45), size)]


def sphere(rng: np.random.Generator, size: float) -> Parts:
    """A ball, some flattened."""
    return [ball(size / 2, rng.uniform(0.7, 1.0))]


def vessel(rng: np.random.Generator, size: float) -> Parts:
    """A turned vase or bottle."""
    return [vase(rng, size * rng.uniform(0.2, 0.45), size)]


def cog(rng: np.random.Generator, size: float) -> Parts:
    """A prism over a star, cog or polygon."""
    outline = star(size * rng.uniform(0.3, 0.6), int(rng.integers(3, 12)), rng.uniform(0.45, 1.0))
    return [extrusion(outline, size * rng.uniform(0.2, 1.0))]


def stone(rng: np.random.Generator, size: float) -> Parts:
    """A dented lump."""
    return [blob(rng, size / 2, rng.uniform(0.2, 0.9))]


def hoop(rng: np.random.Generator, size: float) -> Parts:
    """A standing ring."""
    thickness = size * rng.uniform(0.02, 0.12)
    return [ring(size / 2 - thickness, thickness)]


def mug(rng: np.random.Generator, size: float) -> Parts:
    """A cup with a handle."""
    radius = size * rng.uniform(0.3, 0.45)
    wall = np.array(
        [[radius, 0], [radius, size], [radius * 0.92, size], [radius * 0.92, size * 0.08], [1e-6, size * 0.08]]
    )
    handle = ring(size * 0.26, size * 0.05)
    return [lathe(wall), _lifted(handle, x=radius, z=size * 0.18)]


def lamp(rng: np.random.Generator, size: float) -> Parts:
    """A foot, a thin rod and a conical shade."""
    foot, shade = size * rng.uniform(0.12, 0.25), size * rng.uniform(0.2, 0.4)
    rod = cylinder(size * 0.02, size * 0.75)
    cone = lathe(np.array([[shade, size * 0.62], [shade * rng.uniform(0.3, 0.8), size]]))
    return [cylinder(foot, size * 0.05), rod, cone]


def plant(rng: np.random.Generator, size: float) -> Parts:
    """A pot with thin bent leaves."""
    pot = vase(rng, size * 0.22, size * 0.35)
    leaves = []
    for _ in range(int(rng.integers(6, 14))):
        reach, lift = size * rng.uniform(0.1, 0.45), size * rng.uniform(0.3, 0.65)
        along, across = np.meshgrid(np.linspace(0, 1, 12), np.linspace(-0.5, 0.5, 3), indexing="ij")
        leaf = height_field(1.0, 1.0, 0 * along)
        x, z = reach * along, size * 0.33 + lift * (along - 0.55 * along**2)
        y = across * size * 0.09 * np.sin(np.pi * (0.08 + 0.9 * along))
        bent = Mesh(np.stack([x, y, z], -1).reshape(-1, 3), leaf.triangles, np.stack([x, y], -1).reshape(-1, 2), True)
        leaves.append(_lifted(bent, yaw=rng.uniform(0, 2 * np.pi)))
    return [pot, joined(*leaves)]


def cable(rng: np.random.Generator, size: float) -> Parts:
    """A thin winding tube."""
    time = np.linspace(0, 1, 120)[:, None]
    swing = sum(
        rng.normal(0, 0.3 / k, 3) * np.sin(2 * np.pi * k * time * rng.uniform(0.5, 1) + rng.uniform(0, 6))
        for k in (1, 2, 3)
    )
    path = size * (np.asarray(swing) + [0, 0, 0.5] + time * rng.normal(0, 0.5, 3))
    path[:, 2] += 0.03 * size - path[:, 2].min()
    return [tube(path, size * rng.uniform(0.012, 0.04))]


def fence(rng: np.random.Generator, size: float) -> Parts:
    """Thin posts and two rails."""
    count, gap, radius = int(rng.integers(4, 9)), size * rng.uniform(0.12, 0.25), size * rng.uniform(0.012, 0.035)
    posts = [_lifted(cylinder(radius, size), x=(i - (count - 1) / 2) * gap) for i in range(count)]
    rails = [_lifted(box(count * gap, radius, radius * 2), z=size * level) for level in (0.3, 0.85)]
    return [joined(*posts), joined(*rails)]


def stool(rng: np.random.Generator, size: float) -> Parts:
    """Four legs and a seat."""
    half, leg = size * rng.uniform(0.25, 0.45), size * 0.05
    legs = [_lifted(box(leg, leg, size * 0.9), x=sx * half, y=sy * half) for sx in (-1, 1) for sy in (-1, 1)]
    seat = _lifted(box(2.3 * half, 2.3 * half, size * 0.1), z=size * 0.9)
    return [joined(*legs), seat]


def stairs(rng: np.random.Generator, size: float) -> Parts:
    """A few steps."""
    count, width = int(rng.integers(3, 6)), size * rng.uniform(0.6, 1.3)
    step = size / count
    return [joined(*(_lifted(box(width, step, step * (i + 1)), y=step * (i - count / 2)) for i in range(count)))]


def rumpled(rng: np.random.Generator, size: float) -> Parts:
    """A creased cloth that lies flat."""
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    waves = rng.normal(0, 2.5, (10, 2))
    phases = rng.uniform(0, 2 * np.pi, 10)
    relief = sum(np.abs(np.sin(kx * x + ky * y + p)) for (kx, ky), p in zip(waves, phases, strict=True)) / 10
    return [height_field(size * 1.4, size * 1.2, np.asarray(relief) * size * rng.uniform(0.2, 0.8))]


KINDS: dict[str, Callable[[np.random.Generator, float], Parts]] = {
    maker.__name__: maker
    for maker in (
        carton,
        books,
        can,
        sphere,
        vessel,
        cog,
        stone,
        hoop,
        mug,
        lamp,
        plant,
        cable,
        fence,
        stool,
        stairs,
        rumpled,
    )
}
_WEIGHTS = np.array([3, 2, 2, 2, 2, 1.5, 2, 0.7, 1.5, 1, 1, 0.8, 0.8, 1, 1, 0.8])


def thing(rng: np.random.Generator, size: float) -> tuple[str, Parts]:
    """A random kind of thing, `size` metres high or so: its name and its parts."""
    name = str(rng.choice(list(KINDS), p=_WEIGHTS / _WEIGHTS.sum()))
    return name, KINDS[name](rng, size)
