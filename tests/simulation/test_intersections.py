"""Intersections against signed distances: the hit lies on the surface, and nothing before it lies inside."""

import numpy as np
import pytest

from defocus_depth.simulation.intersections import MISS, hit
from defocus_depth.simulation.scene_tables import build_tables
from defocus_depth.simulation.shapes import Light, Primitive, Shape, Surface, axes_with_normal

LIGHT = Light(np.array([0.0, 0.0, -1.0]), np.array([0.0, -1.0, 0.0]), np.ones(3), np.ones(3))
ATLAS = np.zeros((1, 1, 3), np.float32)


def signed_distance_m(primitive: Primitive, point: np.ndarray) -> float:
    """Distance to the surface, negative inside (a bound for boxes' outside corners; exact at zero)."""
    q, half = primitive.axes @ (point - primitive.centre_m), primitive.half_size_m
    if primitive.shape == Shape.SPHERE:
        return float(np.linalg.norm(q) - half[0])
    if primitive.shape == Shape.ROD:
        return float(np.linalg.norm(q - [0, 0, np.clip(q[2], -half[2], half[2])]) - half[0])
    return float(np.max(np.abs(q) - half))


def random_primitive(rng: np.random.Generator, shape: Shape) -> Primitive:
    half = rng.uniform(0.05, 0.4, 3)
    half[1:] = {Shape.SPHERE: [0, 0], Shape.ROD: [0, half[2]], Shape.SHEET: [half[1], 0]}.get(shape, half[1:])
    axes = axes_with_normal(rng.normal(size=3), rng.uniform(0, 6))
    return Primitive(shape, np.array([*rng.uniform(-0.2, 0.2, 2), rng.uniform(1, 2)]), axes, half, Surface())


@pytest.mark.parametrize("shape", list(Shape))
def test_hits_lie_on_the_surface_and_are_the_first(shape):
    rng = np.random.default_rng(int(shape))
    hits = 0
    for _ in range(300):
        primitive = random_primitive(rng, shape)
        rows = build_tables([primitive], LIGHT, ATLAS).rows
        ray = tuple(rng.uniform(-0.2, 0.2, 4))
        z = hit(rows, 0, ray)
        reach = 4.0 if z == MISS else z
        depths = np.linspace(0, reach - 1e-6, 200)
        points = np.array([ray[0], ray[1], 0.0]) + depths[:, None] * np.array([ray[2], ray[3], 1.0])
        if shape != Shape.SHEET:  # a sheet has no inside
            assert min(signed_distance_m(primitive, point) for point in points) > -1e-5
        if z != MISS:
            hits += 1
            at = np.array([ray[0] + z * ray[2], ray[1] + z * ray[3], z])
            assert signed_distance_m(primitive, at) == pytest.approx(0, abs=1e-9)
    assert hits > 30


def test_rays_along_faces_and_axes_do_not_fail():
    box = Primitive(Shape.BOX, np.array([0, 0, 1.0]), np.eye(3), np.full(3, 0.1), Surface())
    rod = Primitive(Shape.ROD, np.array([0, 0, 1.0]), np.eye(3), np.array([0.1, 0, 0.2]), Surface())
    wall_edge_on = Primitive(Shape.SHEET, np.array([0, 0, 1.0]), np.eye(3)[[1, 2, 0]], np.array([1, 1, 0.0]), Surface())
    rows = build_tables([box, rod, wall_edge_on], LIGHT, ATLAS).rows
    assert hit(rows, 0, (0.05, 0.0, 0.0, 0.0)) == pytest.approx(0.9)
    assert hit(rows, 1, (0.0, 0.0, 0.0, 0.0)) == pytest.approx(0.7)
    assert hit(rows, 2, (0.1, 0.0, 0.0, 0.0)) == MISS


def test_things_behind_the_lens_are_not_seen():
    behind = Primitive(Shape.SPHERE, np.array([0, 0, -1.0]), np.eye(3), np.array([0.2, 0, 0]), Surface())
    wall = Primitive(Shape.SHEET, np.array([0, 0, -1.0]), np.eye(3), np.array([np.inf, np.inf, 0]), Surface())
    rows = build_tables([behind, wall], LIGHT, ATLAS).rows
    assert hit(rows, 0, (0.0, 0.0, 0.0, 0.0)) == MISS
    assert hit(rows, 1, (0.0, 0.0, 0.0, 0.0)) == MISS
