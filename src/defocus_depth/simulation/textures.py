"""Albedo textures of surfaces: a generated pattern between two colours, or the user's own photos."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from ..errors import ImageError
from ..optics import to_linear
from ..types import FloatArray
from . import patterns

TEXTURE_SIZE = 512  # texels a side; a power of two
PHOTO_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
HIGHLIGHT_RADIANCE = 6.0  # of a `sparkles` point, where white paper has 1

Pattern = Callable[[np.random.Generator, int], FloatArray]
# Family → how often it is drawn, relative to the others.
FAMILIES: dict[str, tuple[Pattern, float]] = {
    "noise": (patterns.noise, 4.0),
    "checker": (patterns.checker, 0.7),
    "stripes": (patterns.stripes, 1.0),
    "dots": (patterns.dots, 1.0),
    "cells": (patterns.cells, 1.5),
    "bricks": (patterns.bricks, 1.0),
    "wood": (patterns.wood, 1.0),
    "glyphs": (patterns.glyphs, 1.5),
    "sparkles": (patterns.sparkles, 0.3),
}


def make_texture(rng: np.random.Generator, family: str | None = None) -> FloatArray:
    """A seamless linear-light albedo texture, float32 (512, 512, 3), of a random or the named family."""
    names = list(FAMILIES)
    weights = np.array([weight for _, weight in FAMILIES.values()])
    chosen = family or names[rng.choice(len(names), p=weights / weights.sum())]
    field = FAMILIES[chosen][0](rng, TEXTURE_SIZE)
    if chosen == "sparkles":
        base = random_colour(rng, 0.02, 0.15)
        return (base + HIGHLIGHT_RADIANCE * field[..., None] * random_colour(rng, 0.6, 1.0)).astype(np.float32)
    return _painted(rng, field)


def random_colour(rng: np.random.Generator, darkest: float = 0.03, brightest: float = 0.85) -> FloatArray:
    """A linear-light RGB colour, float32 (3,): mostly muted, value between `darkest` and `brightest`."""
    saturation = 0.85 * rng.beta(1.2, 2.5)
    value = darkest * (brightest / darkest) ** rng.beta(1.6, 1.0)
    return np.array(colorsys.hsv_to_rgb(rng.random(), saturation, value), np.float32)


def load_photo(path: Path) -> FloatArray:
    """A photo's centre square as a linear-light texture, float32 (512, 512, 3); taken to be sRGB.

    Raises:
        ImageError: the file is missing or is no picture.
    """
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ImageError(f"{path}: expected a picture, got a file that cannot be decoded")
    side = min(pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    square = pixels[top : top + side, left : left + side, ::-1]
    linear = to_linear(square.astype(np.float32) / 255, "srgb").astype(np.float32)
    shrinking = side > TEXTURE_SIZE
    return cv2.resize(
        linear, (TEXTURE_SIZE, TEXTURE_SIZE), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC
    ).clip(0, 1)


def find_photos(folder: Path) -> list[Path]:
    """All pictures below `folder`, sorted.

    Raises:
        ImageError: there is none.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)
    if not found:
        raise ImageError(f"{folder}: expected a folder with pictures ({', '.join(PHOTO_SUFFIXES)}), found none")
    return found


def random_photo(rng: np.random.Generator, photos: Sequence[Path]) -> FloatArray:
    """One of `photos` as a texture, turned and mirrored at random."""
    texture = load_photo(photos[int(rng.integers(len(photos)))])
    turned = np.rot90(texture, int(rng.integers(4)))
    return np.ascontiguousarray(turned[:, ::-1] if rng.random() < 0.5 else turned)


def _painted(rng: np.random.Generator, field: FloatArray) -> FloatArray:
    """The field between two colours, with grain; some of low contrast."""
    dark, bright = random_colour(rng, 0.01, 0.35), random_colour(rng, 0.25, 0.95)
    if rng.random() < 0.5:
        dark, bright = bright, dark
    if rng.random() < 0.25:  # weak contrast: the hard case for every method that measures blur
        bright = dark + rng.uniform(0.04, 0.25) * (bright - dark)
    colour = dark + field[..., None] * (bright - dark)
    grain = patterns.power_noise(rng, TEXTURE_SIZE, rng.uniform(0.0, 2.0)) - 0.5
    return (colour * (1 + rng.choice([0.0, 0.1, 0.3]) * grain[..., None])).astype(np.float32)
