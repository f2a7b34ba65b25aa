"""Triangle meshes made from formulas: boxes, lathes, extrusions, tubes, blobs, height fields.

Every mesh stands on its local plane z = 0 (z up), is given in metres, and carries texture coordinates in metres along
its surface, so that one texture keeps its grain on every shape.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Mesh:
    """Vertices (V, 3) m, triangles (T, 3) int, uv (V, 2) m; `smooth`: shaded with interpolated normals."""

    vertices: Array
    triangles: npt.NDArray[np.int64]
    uv: Array
    smooth: bool = False

    def moved(self, rotation: Array, origin: Array) -> Mesh:
        """The mesh at `vertices @ rotation.T + origin`."""
        return replace(self, vertices=self.vertices @ rotation.T + origin)


def joined(*meshes: Mesh) -> Mesh:
    """One mesh of all the given ones (which share smoothness)."""
    offsets = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.triangles + offset for mesh, offset in zip(meshes, offsets, strict=True)]),
        np.concatenate([mesh.uv for mesh in meshes]),
        meshes[0].smooth,
    )


def quad(corner: Array, edge_u: Array, edge_v: Array) -> Mesh:
    """A parallelogram spanned from `corner`; uv runs along its edges in metres."""
    steps = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
    vertices = corner + steps[:, :1] * edge_u + steps[:, 1:] * edge_v
    return Mesh(vertices, np.array([[0, 1, 2], [0, 2, 3]]), steps * [np.linalg.norm(edge_u), np.linalg.norm(edge_v)])


def box(width: float, depth: float, height: float) -> Mesh:
    """An upright box centred over the origin: x across, y along, z up."""
    x, y, z = np.diag([width, depth, height])
    low = -(x + y) / 2
    faces = [(low, x, z), (low + y, x, z), (low, y, z), (low + x, y, z), (low, x, y), (low + z, x, y)]
    return joined(*(quad(*face) for face in faces))


def _grid(points: Array, uv: Array, smooth: bool = True) -> Mesh:
    """A mesh of a (R, C, 3) lattice of points."""
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return Mesh(points.reshape(-1, 3), triangles, uv.reshape(-1, 2), smooth)


def lathe(profile: Array, segments: int = 96) -> Mesh:
    """A surface of revolution about z of a profile (P, 2) of (radius, height)."""
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    radius, height = profile[:, :1], profile[:, 1:]
    points = np.stack(np.broadcast_arrays(radius * np.cos(angle), radius * np.sin(angle), height), -1)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(profile, axis=0), axis=1))])
    around = angle * max(profile[:, 0].max(), 1e-6)
    return _grid(points, np.stack(np.broadcast_arrays(around[None], along[:, None]), -1))


def cylinder(radius: float, height: float) -> Mesh:
    """A closed cylinder; its rims stay sharp because cap and side share no vertices."""
    side = lathe(np.array([[radius, 0.0], [radius, height]]))
    cap = lathe(np.array([[0.0, height], [radius, height]]))
    return joined(side, cap)


def ball(radius: float, squash: float = 1.0) -> Mesh:
    """An ellipsoid of revolution that touches z = 0; `squash` is height over width."""
    polar = np.linspace(0, np.pi, 65)
    return lathe(radius * np.stack([np.sin(polar), squash * (1 - np.cos(polar))], 1))


def vase(rng: np.random.Generator, radius: float, height: float) -> Mesh:
    """A turned vessel: a smooth random profile."""
    knots = rng.uniform(0.35, 1.0, 6)
    level = np.linspace(0, 1, 80)
    outline = np.interp(level, np.linspace(0, 1, 6), knots)
    outline = np.convolve(np.pad(outline, 10, mode="edge"), np.hanning(21) / np.hanning(21).sum(), "valid")
    profile = np.stack([radius * outline / outline.max(), height * level], 1)
    return lathe(np.concatenate([[[1e-6, 0.0]], profile, [[1e-6, height * 0.97]]]))


def extrusion(outline: Array, height: float) -> Mesh:
    """A prism over a star-shaped outline (P, 2) around the origin."""
    low = np.column_stack([outline, np.zeros(len(outline))])
    up = np.array([0.0, 0.0, height])
    sides = [quad(start, end - start, up) for start, end in zip(low, np.roll(low, -1, axis=0), strict=True)]
    return joined(*sides, _fan(low + up))


def _fan(rim: Array) -> Mesh:
    """The polygon `rim` (P, 3), as triangles around its centre."""
    vertices = np.concatenate([rim, rim.mean(axis=0, keepdims=True)])
    index = np.arange(len(rim))
    triangles = np.stack([index, np.roll(index, -1), np.full_like(index, len(rim))], 1)
    return Mesh(vertices, triangles, vertices[:, :2])


def star(radius: float, points: int, inner: float) -> Array:
    """The outline (2·points, 2) of a star or cog whose notches lie at `inner` of `radius`; inner = 1: a polygon."""
    angle = np.arange(2 * points) * np.pi / points
    reach = radius * np.where(np.arange(2 * points) % 2, inner, 1.0)
    return np.stack([reach * np.cos(angle), reach * np.sin(angle)], 1)


def tube(path: Array, radius: float, segments: int = 16) -> Mesh:
    """A round tube along a path (P, 3): cables, rods, handles."""
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    helper = np.eye(3)[np.argmin(np.abs(tangent).max(axis=0))]
    side = np.cross(tangent, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(tangent, side)
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    circle = radius * (np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * other[:, None])
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    uv = np.stack(np.broadcast_arrays(along[:, None], radius * angle[None]), -1)
    return _grid(path[:, None] + circle, uv)


def ring(radius: float, thickness: float) -> Mesh:
    """A torus that stands upright on z = 0."""
    angle = np.linspace(0, 2 * np.pi, 97)
    path = np.stack([radius * np.cos(angle), 0 * angle, radius * (1 + np.sin(angle)) + thickness], 1)
    return tube(path, thickness)


def blob(rng: np.random.Generator, radius: float, roughness: float) -> Mesh:
    """A stone or fruit: a sphere dented by a few random waves; touches z = 0."""
    polar, around = np.linspace(1e-3, np.pi - 1e-3, 65)[:, None], np.linspace(0, 2 * np.pi, 129)[None]
    unit = np.stack(
        np.broadcast_arrays(np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)), -1
    )
    waves = rng.normal(size=(8, 3)) * rng.uniform(1, 4, (8, 1))
    phase = rng.uniform(0, 2 * np.pi, 8)
    swell = 1 + roughness * np.sin(unit @ waves.T + phase).mean(-1, keepdims=True)
    points = radius * unit * swell
    points[..., 2] -= points[..., 2].min()
    uv = radius * np.stack(np.broadcast_arrays(around, polar), -1)
    return _grid(points, uv)


def height_field(width: float, depth: float, heights: Array) -> Mesh:
    """Crumpled paper or terrain: heights (R, C) m over a rectangle centred on the origin."""
    rows, columns = heights.shape
    y, x = np.meshgrid(
        np.linspace(-depth / 2, depth / 2, rows), np.linspace(-width / 2, width / 2, columns), indexing="ij"
    )
    return _grid(np.stack([x, y, heights], -1), np.stack([x, y], -1))
