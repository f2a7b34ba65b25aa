"""Procedural and photographic textures, linear RGB float32 (n, n, 3) in 0..1.

Breadth beats realism here: what a network learns of blur must not depend on one texture spectrum or contrast.
Patterns are drawn at twice the size and box-averaged, so that their edges are integrated over pixels as a sensor does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

Texture = npt.NDArray[np.float32]
Rng = np.random.Generator
SOFT_SHARE = 0.2
"""Of the textures."""
SOFT_SIGMA_PX = (0.7, 7.0)
"""Range of the Gaussian that softens them."""


def random_texture(rng: Rng, size: int, photos: Sequence[Texture] = ()) -> Texture:
    """One texture of a random family, spectrum, colouring and contrast.

    Args:
        photos: linear RGB pictures at least `size` wide and high; about a third of all textures come from them.
    """
    return _contrast(rng, _softened(rng, _any_texture(rng, size, photos)))


def _any_texture(rng: Rng, size: int, photos: Sequence[Texture]) -> Texture:
    if photos and rng.random() < 0.35:
        return _photo_crop(rng, size, photos)
    pattern = PATTERNS[rng.integers(len(PATTERNS))](rng, 2 * size)
    if rng.random() < 0.35:  # two families over one another
        other = PATTERNS[rng.integers(len(PATTERNS))](rng, 2 * size)
        pattern = pattern + rng.uniform(0.1, 1.0) * (other - 0.5)
    pattern = np.asarray(cv2.resize(pattern, (size, size), interpolation=cv2.INTER_AREA), np.float32)
    return _coloured(rng, pattern)


def _softened(rng: Rng, texture: Texture) -> Texture:
    """Some textures are soft themselves, in focus or not: painted clouds, worn prints, shadows."""
    if rng.random() >= SOFT_SHARE:
        return texture
    sigma_px = float(np.exp(rng.uniform(*np.log(SOFT_SIGMA_PX))))
    return np.asarray(cv2.GaussianBlur(texture, (0, 0), sigma_px), np.float32)


def plain_texture(rng: Rng, size: int) -> Texture:
    """A surface with (almost) no texture: one colour with the faintest mottling."""
    colour = rng.uniform(0.02, 0.9, 3)
    mottle = spectral_noise(rng, size, rng.uniform(1.0, 2.5)) - 0.5
    return np.clip(colour * (1 + rng.uniform(0, 0.03) * mottle[..., None]), 0, 1).astype(np.float32)


def spectral_noise(rng: Rng, size: int, beta: float) -> Texture:
    """Noise whose amplitude falls as 1/f^beta, (size, size), mean 0.5, deviation about 0.18."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.standard_normal((size, size), np.float32)) / frequency**beta
    spectrum[0, 0] = 0
    noise = np.fft.irfft2(spectrum, (size, size))
    return (0.5 + 0.18 * noise / (noise.std() + 1e-9)).astype(np.float32)


def _noise(rng: Rng, n: int) -> Texture:
    return spectral_noise(rng, n, rng.uniform(0.2, 2.0))


def _posterised_noise(rng: Rng, n: int) -> Texture:
    noise = spectral_noise(rng, n, rng.uniform(0.5, 2.0))
    levels = rng.integers(2, 6)
    return (np.floor(noise * levels) / levels).astype(np.float32)


def _bands(rng: Rng, n: int) -> Texture:
    """Noise of one scale, smooth or in two tones: fabric, gravel, animal skins."""
    scale = np.exp(rng.uniform(np.log(1.5), np.log(25)))
    white = rng.standard_normal((n, n), np.float32)
    stretch = np.exp(rng.uniform(-0.8, 0.8)) if rng.random() < 0.4 else 1.0
    fine = cv2.GaussianBlur(white, (0, 0), scale, sigmaY=scale * stretch)
    band = fine - cv2.GaussianBlur(white, (0, 0), 1.6 * scale, sigmaY=1.6 * scale * stretch)
    band /= band.std() + 1e-9
    sharpness = np.exp(rng.uniform(np.log(0.3), np.log(8)))
    return (0.5 + 0.5 * np.tanh(sharpness * band)).astype(np.float32)


def _rotated_grid(rng: Rng, n: int) -> tuple[Texture, Texture]:
    angle = rng.uniform(0, np.pi)
    y, x = np.mgrid[0:n, 0:n].astype(np.float32)
    wave = rng.uniform(0, 6) * np.sin(2 * np.pi * y / rng.uniform(60, 400)) if rng.random() < 0.3 else 0.0
    return (
        (x * np.cos(angle) + y * np.sin(angle) + wave + rng.uniform(0, n)).astype(np.float32),
        (y * np.cos(angle) - x * np.sin(angle) + rng.uniform(0, n)).astype(np.float32),
    )


def _checker(rng: Rng, n: int) -> Texture:
    x, y = _rotated_grid(rng, n)
    width, height = np.exp(rng.uniform(np.log(5), np.log(90), 2))
    cells = (x // width).astype(np.int64) * 7919 + (y // height).astype(np.int64) * 104729
    if rng.random() < 0.5:
        return (cells % 2).astype(np.float32)
    return rng.random(4096, np.float32)[cells % 4096]


def _stripes(rng: Rng, n: int) -> Texture:
    x, _ = _rotated_grid(rng, n)
    period = np.exp(rng.uniform(np.log(6), np.log(120)))
    if rng.random() < 0.5:
        return (0.5 + 0.5 * np.sin(2 * np.pi * x / period)).astype(np.float32)
    return ((x / period) % 1 < rng.uniform(0.2, 0.8)).astype(np.float32)


def _bricks(rng: Rng, n: int) -> Texture:
    x, y = _rotated_grid(rng, n)
    width, height, joint = rng.uniform(30, 120), rng.uniform(14, 60), rng.uniform(2, 7)
    row = np.floor(y / height)
    shifted = x + (row % 2) * width / 2
    shade = rng.random(1024, np.float32)[(np.floor(shifted / width) * 31 + row * 17).astype(np.int64) % 1024]
    mortar = (shifted % width < joint) | (y % height < joint)
    return np.where(mortar, rng.random(), 0.3 + 0.5 * shade).astype(np.float32)


def _dots(rng: Rng, n: int) -> Texture:
    canvas = np.full((n, n), rng.random(), np.float32)
    radius = np.exp(rng.uniform(np.log(2.5), np.log(30)))
    for _ in range(int(min(900, 0.35 * n * n / (radius * radius + 9)))):
        centre = tuple(int(v) for v in rng.integers(0, n, 2))
        cv2.circle(canvas, centre, max(1, int(radius * rng.uniform(0.4, 1.3))), float(rng.random()), -1, cv2.LINE_AA)
    return canvas


def _strokes(rng: Rng, n: int) -> Texture:
    """Rows of short strokes: the statistics of print and handwriting."""
    canvas = np.full((n, n), rng.uniform(0.6, 1.0), np.float32)
    height = int(rng.integers(8, 40))
    thickness = max(1, int(height * rng.uniform(0.06, 0.22)))
    for top in range(0, n, int(height * rng.uniform(1.2, 2.0))):
        left = 0
        while left < n:
            glyph = rng.integers(0, height, (int(rng.integers(2, 5)), 2)) * [rng.uniform(0.4, 0.8), 1] + [left, top]
            cv2.polylines(
                canvas, [glyph.astype(np.int32)], bool(rng.random() < 0.3), rng.uniform(0, 0.3), thickness, cv2.LINE_AA
            )
            left += int(height * rng.uniform(0.6, 1.4))
    return np.rot90(canvas, int(rng.integers(4))).copy()


def _cells(rng: Rng, n: int) -> Texture:
    """Voronoi cells, flat or shaded by the distance to their border."""
    seeds = np.ones((n, n), np.uint8)
    count = int(np.exp(rng.uniform(np.log(12), np.log(6000))))
    seeds[tuple(rng.integers(0, n, (2, count)))] = 0
    distance, label = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    if rng.random() < 0.4:
        return (distance / (distance.max() + 1e-6)).astype(np.float32)
    return rng.random(count + 1, np.float32)[label % (count + 1)]


def _polygons(rng: Rng, n: int) -> Texture:
    """Dead leaves: overlapping flat shapes of power-law sizes, the closest simple model of natural edges."""
    canvas = np.full((n, n), 0.5, np.float32)
    for _ in range(int(rng.integers(60, 350))):
        radius = min(n / 3, 3.0 / rng.uniform(0.01, 1.0) ** 1.1)
        centre = rng.uniform(0, n, 2)
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 9))))
        corners = centre + radius * rng.uniform(0.6, 1.2, len(angles))[:, None] * np.stack(
            [np.cos(angles), np.sin(angles)], 1
        )
        cv2.fillPoly(canvas, [corners.astype(np.int32)], float(rng.random()), cv2.LINE_AA)
    return canvas


PATTERNS: tuple[Callable[[Rng, int], Texture], ...] = (
    _noise,
    _noise,
    _posterised_noise,
    _bands,
    _bands,
    _checker,
    _stripes,
    _bricks,
    _dots,
    _strokes,
    _cells,
    _polygons,
    _polygons,
)


def _coloured(rng: Rng, pattern: Texture) -> Texture:
    low, high = rng.uniform(0.0, 0.6, 3), rng.uniform(0.2, 1.0, 3)
    if rng.random() < 0.35:  # nearly grey
        low, high = np.full(3, low.mean()) + rng.normal(0, 0.02, 3), np.full(3, high.mean()) + rng.normal(0, 0.02, 3)
    mix = np.clip(pattern, 0, 1)[..., None]
    return (low + (high - low) * mix).astype(np.float32)


def _contrast(rng: Rng, texture: Texture) -> Texture:
    """Scale contrast about the mean by 0.1..1.4 (log-uniform) and brightness by 0.4..1.4."""
    contrast = np.exp(rng.uniform(np.log(0.1), np.log(1.4))) if rng.random() < 0.5 else 1.0
    mean = texture.mean((0, 1), keepdims=True)
    return np.clip((mean + contrast * (texture - mean)) * rng.uniform(0.4, 1.4), 0, 1).astype(np.float32)


def _photo_crop(rng: Rng, size: int, photos: Sequence[Texture]) -> Texture:
    """A crop at a random zoom; pictures are only ever reduced, so that they are sharp at pixel scale."""
    photo = photos[int(rng.integers(len(photos)))]
    largest = min(photo.shape[:2])
    side = int(rng.uniform(min(1.4 * size, largest), largest))
    top, left = (int(rng.integers(0, extent - side + 1)) for extent in photo.shape[:2])
    crop = cv2.resize(photo[top : top + side, left : left + side], (size, size), interpolation=cv2.INTER_AREA)
    return np.rot90(crop[:, :: int(rng.choice([-1, 1]))], int(rng.integers(4))).copy()
