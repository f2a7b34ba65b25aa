"""What cameras do to pictures after the lens: tone, motion, softness, noise, demosaicing, sharpening, JPEG, 8 bits.

Augmentations never change blur targets, except resampling, which scales them. Of motion blur the length is told: it
makes the targets doubtful (`step.motion_doubt_px`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import Field

from .ranges import Share, Span

Picture = npt.NDArray[np.float32]
Rng = np.random.Generator


class Photograph(NamedTuple):
    """A `picture` (h, w, 3) in 0..1, and by how much its camera moved while it was taken, px."""

    picture: Picture
    motion_px: float


@dataclass(frozen=True)
class AugmentOptions:
    """Ranges and probabilities of the augmentations. Pictures are sRGB-encoded 0..1."""

    rescale: Span = (0.75, 1.3)
    """Range of the resampling ratio, log-uniform; blur targets scale with it."""
    tone: Share = 0.6
    """Probability of changes of exposure, contrast, gamma and colour balance."""
    motion_blur: Share = 0.1
    """Probability of motion blur."""
    motion_blur_px: Annotated[float, Field(ge=0)] = 8.0
    """Longest motion blur, px."""
    softness: Share = 0.25
    """Probability of a slight extra blur, or of sharpening, by the camera."""
    noise: Share = 0.85
    """Probability of sensor noise."""
    noise_deviation: Span = (0.001, 0.04)
    """Range of the noise's deviation at mid-grey, log-uniform."""
    demosaic: Share = 0.12
    """Probability of a Bayer mosaic and its interpolation."""
    jpeg: Share = 0.4
    """Probability of JPEG compression, quality 35 to 95."""


def tone_curve(rng: Rng, options: AugmentOptions) -> npt.NDArray[np.float32]:
    """A look-up table (256, 3) from encoded 8-bit values to encoded 0..1: one camera's rendering of one scene."""
    values = np.linspace(0, 1, 256, dtype=np.float32)[:, None].repeat(3, 1)
    if rng.random() >= options.tone:
        return values
    gain = np.exp(rng.uniform(-0.6, 0.6)) * np.exp(rng.normal(0, 0.06, 3))
    curved = (values * gain) ** np.exp(rng.uniform(-0.35, 0.35))
    contrast, lift = rng.uniform(0.5, 1.15), rng.uniform(-0.03, 0.12)
    return np.clip(lift + contrast * curved, 0, 1).astype(np.float32)


def camera_effects(rng: Rng, picture: Picture, options: AugmentOptions) -> Photograph:
    """Motion, softness, noise, demosaicing, JPEG and quantisation of `picture` (h, w, 3) in 0..1; same shape."""
    motion_px = float(rng.uniform(0, options.motion_blur_px)) if rng.random() < options.motion_blur else 0.0
    if motion_px:
        picture = motion_blur(picture, motion_px, rng.uniform(0, np.pi))
    if rng.random() < options.softness:
        picture = _soften_or_sharpen(rng, picture)
    if rng.random() < options.noise:
        picture = _sensor_noise(rng, picture, options)
    eight_bit = np.clip(np.round(picture * 255), 0, 255).astype(np.uint8)
    if rng.random() < options.demosaic:
        eight_bit = demosaiced(eight_bit)
    if rng.random() < options.jpeg:
        eight_bit = _compressed(eight_bit, int(rng.integers(35, 96)))
    return Photograph(np.asarray(eight_bit / 255, np.float32), motion_px)


def motion_blur(picture: Picture, length_px: float, angle_rad: float) -> Picture:
    """Average along a straight line of `length_px`."""
    size = 2 * int(np.ceil(length_px / 2)) + 3
    kernel = np.zeros((size, size), np.float32)
    step = 0.5 * length_px * np.array([np.cos(angle_rad), np.sin(angle_rad)])
    for t in np.linspace(-1, 1, 8 * size):
        x, y = size // 2 + t * step
        column, row = int(np.floor(x)), int(np.floor(y))
        fx, fy = x - column, y - row
        kernel[row : row + 2, column : column + 2] += np.outer([1 - fy, fy], [1 - fx, fx])
    blurred = cv2.filter2D(picture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, np.float32)


def demosaiced(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """An RGB picture (h, w, 3) seen through a Bayer mosaic and interpolated back."""
    mosaic = picture[..., 1].copy()
    mosaic[::2, ::2] = picture[::2, ::2, 0]
    mosaic[1::2, 1::2] = picture[1::2, 1::2, 2]
    return np.asarray(cv2.cvtColor(mosaic, cv2.COLOR_BayerRGGB2RGB), np.uint8)


def _compressed(picture: npt.NDArray[np.uint8], quality: int) -> npt.NDArray[np.uint8]:
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def _soften_or_sharpen(rng: Rng, picture: Picture) -> Picture:
    smooth = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.0)), np.float32)
    if rng.random() < 0.5:
        return smooth
    return np.clip(picture + np.float32(rng.uniform(0.2, 1.2)) * (picture - smooth), 0, 1)


def _sensor_noise(rng: Rng, picture: Picture, options: AugmentOptions) -> Picture:
    """Read and shot noise; sometimes grey, sometimes smoothed by a denoiser."""
    deviation = np.exp(rng.uniform(*np.log(options.noise_deviation)))
    shot = rng.random()
    channels = 1 if rng.random() < 0.3 else 3
    noise = rng.standard_normal((*picture.shape[:2], channels), np.float32)
    if rng.random() < 0.25:
        noise = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.4, 0.9)).reshape(noise.shape) * 1.5
    scale = np.float32(deviation) * np.sqrt(np.float32(1 - shot) + np.float32(2 * shot) * picture)
    return picture + noise * scale
