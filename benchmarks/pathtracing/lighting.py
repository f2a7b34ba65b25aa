"""Lamps with an area, and surroundings that shine softly: what the shadows of a scene come from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .meshes import quad
from .renderer import Light

Array = npt.NDArray[np.float64]
_ROWS, _COLUMNS = 32, 64


def _tint(rng: np.random.Generator) -> Array:
    """White light between a warm bulb and the blue sky, seen by a camera that is roughly white-balanced."""
    warmth = rng.normal(0, 0.1)
    return np.array([1 + warmth, 1.0, 1 - warmth])


def environment(rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A soft surrounding (32, 64, 3): bright above, darker below, with a few windows; radiance about 0.1–1."""
    elevation = np.linspace(1, -1, _ROWS)[:, None]
    azimuth = np.linspace(-np.pi, np.pi, _COLUMNS)[None]
    glow = rng.uniform(0.05, 0.5) * (0.6 + 0.4 * elevation) + 0 * azimuth
    picture = glow[..., None] * _tint(rng)
    for _ in range(int(rng.integers(0, 4))):
        turn = np.angle(np.exp(1j * (azimuth - rng.uniform(-np.pi, np.pi))))
        window = np.exp(
            -((turn / rng.uniform(0.2, 0.6)) ** 2) - ((elevation - rng.uniform(0, 0.9)) / rng.uniform(0.15, 0.4)) ** 2
        )
        picture = picture + (rng.uniform(0.3, 2.5) * window)[..., None] * _tint(rng)
    return picture.astype(np.float32)


def lamps(rng: np.random.Generator, axes: Array, centre: Array, reach_m: float) -> list[Light]:
    """One to three rectangular lamps above and around `centre`; `axes` are right, forward, up of the room."""
    return [_lamp(rng, axes, centre, reach_m) for _ in range(int(rng.integers(1, 4)))]


def _lamp(rng: np.random.Generator, axes: Array, centre: Array, reach_m: float) -> Light:
    offset = reach_m * np.array([rng.uniform(-0.9, 0.9), rng.uniform(-1.2, 0.1), rng.uniform(0.5, 1.1)])
    position = centre + axes @ offset
    towards = (centre - position) / np.linalg.norm(centre - position)
    side = np.cross(towards, axes[:, 1])
    side /= np.linalg.norm(side)
    other = np.cross(towards, side)
    width, height = reach_m * rng.uniform(0.08, 0.7, 2)
    corner = position - side * width / 2 - other * height / 2
    irradiance = rng.uniform(0.5, 3.0)
    radiance = irradiance * float(offset @ offset) / (width * height) * _tint(rng)
    return Light(quad(corner, side * width, other * height), radiance)
