"""Bitmaps that surfaces wear: plain paint, noise of any spectrum, wood, marble, cloth, bricks, print, posters.

Every texture is float32 (S, S, 3), linear reflectance in 0.02..0.9.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from defocus_depth import optics
from defocus_depth.errors import ConfigError

Array = npt.NDArray[np.float32]
SIZE = 768
_DARKEST, _BRIGHTEST = 0.02, 0.9
_LETTERS = list("aaabcdeeeefghiiklmnnoooprrsstttuvwxyzAEMRSTW0123456789.,-")


def spectral_noise(rng: np.random.Generator, slope: float, stretch: float = 1.0) -> Array:
    """(S, S) noise in 0..1 whose amplitude falls as frequency^−slope; `stretch` > 1 draws it out along x."""
    fy, fx = np.fft.fftfreq(SIZE)[:, None], np.fft.rfftfreq(SIZE)[None]
    radius = np.hypot(fy, fx * stretch)
    radius[0, 0] = np.inf
    phase = np.exp(2j * np.pi * rng.random(radius.shape))
    field = np.fft.irfft2(phase * radius**-slope, s=(SIZE, SIZE))
    return _levelled(field)


def _levelled(field: npt.NDArray[Any]) -> Array:
    """Stretched so that the 1st and 99th percentiles become 0 and 1."""
    low, high = np.percentile(field, [1, 99])
    return np.clip((field - low) / max(high - low, 1e-9), 0, 1).astype(np.float32)


def colour(rng: np.random.Generator, brightness: float | None = None) -> Array:
    """One mostly muted sRGB colour."""
    value = rng.uniform(0.12, 0.95) if brightness is None else brightness
    saturation = rng.beta(1.2, 4.0)
    hue = rng.uniform(0, 360)
    pixel = np.array([[[hue, saturation, value]]], dtype=np.float32)
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0]


def _dyed(rng: np.random.Generator, field: Array, tones: int = 2) -> Array:
    """Map 0..1 to a ramp through `tones` random colours."""
    ramp = np.stack([colour(rng, v) for v in rng.permutation(np.linspace(0.15, 0.9, tones))])
    knots = np.linspace(0, 1, tones)
    return np.stack([np.interp(field, knots, ramp[:, c]) for c in range(3)], -1).astype(np.float32)


def plain(rng: np.random.Generator) -> Array:
    """One colour."""
    return np.broadcast_to(colour(rng), (SIZE, SIZE, 3)).astype(np.float32)


def noise(rng: np.random.Generator) -> Array:
    """Plaster, granite, soil: noise of a random spectrum."""
    return _dyed(rng, spectral_noise(rng, rng.uniform(0.4, 2.0)), int(rng.integers(2, 5)))


def wood(rng: np.random.Generator) -> Array:
    """Rings cut lengthwise, and fine fibres."""
    across = np.linspace(0, 1, SIZE, dtype=np.float32)[:, None]
    rings = across * rng.uniform(6, 25) + rng.uniform(1, 4) * spectral_noise(rng, 1.8, stretch=8)
    grain = 0.7 * (rings % 1.0) + 0.3 * spectral_noise(rng, 0.6, stretch=20)
    light, dark = np.array([0.76, 0.58, 0.38]), np.array([0.38, 0.22, 0.12])
    tint = rng.uniform(0.6, 1.15) * rng.uniform(0.9, 1.1, 3)
    return ((light + (dark - light) * grain[..., None]) * tint).astype(np.float32)


def marble(rng: np.random.Generator) -> Array:
    """Veins: a sine bent by noise."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    phase = rng.uniform(4, 16) * (x + rng.uniform(-1, 1) * y) + rng.uniform(3, 9) * spectral_noise(rng, 1.6)
    return _dyed(rng, (1 - np.abs(np.sin(np.pi * phase))).astype(np.float32) ** rng.uniform(0.5, 3), 2)


def cloth(rng: np.random.Generator) -> Array:
    """Woven threads, some weaves with a tartan."""
    period = int(rng.choice([6, 8, 12, 16]))
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    warp, weft = np.sin(np.pi * (x % period) / period), np.sin(np.pi * (y % period) / period)
    over = ((x // period + y // period) % 2).astype(bool)
    thread = np.where(over, warp, weft) * (0.8 + 0.2 * spectral_noise(rng, 0.5))
    bands = _dyed(rng, spectral_noise(rng, 1.2)[:1].repeat(SIZE, 0), 3)
    mixed = np.where(over[..., None], bands, bands.transpose(1, 0, 2)) if rng.random() < 0.6 else plain(rng)
    return (mixed * (0.45 + 0.55 * thread[..., None])).astype(np.float32)


def checker(rng: np.random.Generator) -> Array:
    """Checks, stripes or dots of random size with slightly worn paint."""
    period = int(rng.choice([24, 48, 96, 192]))
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    kind = rng.integers(3)
    if kind == 0:
        field = (x // period + y // period) % 2
    elif kind == 1:
        field = (x % period) < period * rng.uniform(0.2, 0.8)
    else:
        field = np.hypot(x % period - period / 2, y % period - period / 2) < period * rng.uniform(0.15, 0.45)
    worn = field * (1 - 0.3 * spectral_noise(rng, 1.0))
    return _dyed(rng, worn.astype(np.float32))


def bricks(rng: np.random.Generator) -> Array:
    """Bricks or tiles, each of its own shade, with joints between."""
    height, width, joint = int(rng.choice([32, 48, 96])), int(rng.choice([64, 96, 192])), int(rng.integers(2, 6))
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    shifted = x + (y // height % 2) * width // 2
    shade = rng.uniform(0.7, 1.1, (SIZE // height + 1, SIZE // width + 3))
    stone = (
        shade[y // height, shifted // width][..., None]
        * (0.75 + 0.25 * noise(rng))
        * colour(rng, rng.uniform(0.4, 0.9))
    )
    gap = (y % height < joint) | (shifted % width < joint)
    return np.where(gap[..., None], colour(rng), stone).astype(np.float32)


def cells(rng: np.random.Generator) -> Array:
    """Pebbles: distance to the nearest of many points."""
    seeds = np.full((SIZE, SIZE), 255, np.uint8)
    count = int(rng.integers(60, 900))
    seeds[rng.integers(0, SIZE, count), rng.integers(0, SIZE, count)] = 0
    return _dyed(rng, _levelled(np.asarray(cv2.distanceTransform(seeds, cv2.DIST_L2, 5))), int(rng.integers(2, 4)))


def page(rng: np.random.Generator) -> Array:
    """A page of text in lines of one size, with a heading."""
    paper = (255 * colour(rng, rng.uniform(0.75, 0.98))).astype(np.uint8)
    sheet = np.tile(paper, (SIZE, SIZE, 1))
    ink = tuple(float(v) for v in 255 * colour(rng, rng.uniform(0.03, 0.25)))
    scale = rng.uniform(0.5, 1.6)
    step = int(34 * scale)
    for line, y in enumerate(range(step + 20, SIZE - 10, step)):
        if rng.random() < 0.12:
            continue
        words = (
            "".join(rng.choice(_LETTERS, int(rng.integers(8, 60))))
            if line
            else "".join(rng.choice(_LETTERS, 9)).upper()
        )
        spaced = " ".join(words[i : i + int(rng.integers(3, 8))] for i in range(0, len(words), 6))
        font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
        cv2.putText(
            sheet, spaced, (24, y), font, scale * (1 if line else 1.6), ink, max(1, int(scale * 1.5)), cv2.LINE_AA
        )
    return _unit(sheet)


def poster(rng: np.random.Generator) -> Array:
    """Flat graphic shapes over a gradient, and a few large letters."""
    ramp = np.linspace(0, 1, SIZE, dtype=np.float32)[:, None].repeat(SIZE, 1)
    sheet = np.ascontiguousarray((255 * _dyed(rng, ramp)).astype(np.uint8))
    for _ in range(int(rng.integers(6, 40))):
        paint = tuple(float(v) for v in 255 * colour(rng))
        centre = tuple(int(v) for v in rng.integers(0, SIZE, 2))
        reach = int(SIZE * rng.uniform(0.02, 0.2))
        if rng.random() < 0.5:
            cv2.circle(sheet, centre, reach, paint, -1, cv2.LINE_AA)
        else:
            corners = np.array(centre) + rng.integers(-reach, reach + 1, (int(rng.integers(3, 6)), 2))
            cv2.fillPoly(sheet, [corners.astype(np.int32)], paint, cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 5))):
        word = "".join(rng.choice(_LETTERS, int(rng.integers(2, 8)))).upper()
        at = (int(rng.integers(0, SIZE // 2)), int(rng.integers(SIZE // 6, SIZE)))
        size = float(rng.uniform(1.5, 6))
        cv2.putText(
            sheet, word, at, cv2.FONT_HERSHEY_TRIPLEX, size, tuple(float(v) for v in 255 * colour(rng)), 6, cv2.LINE_AA
        )
    return _unit(sheet)


FAMILIES: dict[str, Callable[[np.random.Generator], Array]] = {
    "noise": noise,
    "wood": wood,
    "marble": marble,
    "cloth": cloth,
    "checker": checker,
    "bricks": bricks,
    "cells": cells,
    "page": page,
    "poster": poster,
}


class TextureBox:
    """Hands out textures: generated families, faded ones, plain paint, and photographs where a folder is given."""

    def __init__(self, photos: Path | None = None, photo_share: float = 0.3) -> None:
        """Raises ConfigError when `photos` holds no picture."""
        self._files = (
            [] if photos is None else sorted(p for p in photos.rglob("*") if p.suffix.lower() in (".jpg", ".png"))
        )
        if photos is not None and not self._files:
            raise ConfigError(f"--photos {photos}: expected a folder with .jpg or .png files, found none")
        self._photo_share = photo_share if self._files else 0.0

    def draw(self, rng: np.random.Generator, plain_share: float = 0.17, faded_share: float = 0.15) -> Array:
        """One texture (S, S, 3), linear; plain or of weak contrast with the given probabilities."""
        if rng.random() < plain_share:
            return _reflectance(plain(rng))
        if rng.random() < self._photo_share:
            return _reflectance(self._photo(rng))
        picture = FAMILIES[str(rng.choice(list(FAMILIES)))](rng)
        if rng.random() < faded_share:
            picture = picture.mean((0, 1)) + (picture - picture.mean((0, 1))) * rng.uniform(0.06, 0.3)
        return _reflectance(picture)

    def _photo(self, rng: np.random.Generator) -> Array:
        path = self._files[int(rng.integers(len(self._files)))]
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if picture is None:
            raise ConfigError(f"--photos {path}: expected a picture, got a file OpenCV cannot read")
        return _unit(cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA))


def _unit(levels: npt.NDArray[Any]) -> Array:
    return (levels / 255).astype(np.float32)


def _reflectance(srgb: Array) -> Array:
    linear = optics.to_linear(np.clip(srgb, 0, 1), "srgb")
    return np.clip(linear, _DARKEST, _BRIGHTEST).astype(np.float32)
