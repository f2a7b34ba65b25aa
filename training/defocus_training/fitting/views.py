"""The pictures that a fit must explain, at one resolution: linear radiance and the blur of each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from defocus_depth.optics import coc_from_inverse_depth
from defocus_depth.types import FloatArray

FloatVector = npt.NDArray[np.float64]
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
DARKEST = 0.01  # linear radiance below which noise and contrast are no longer taken to shrink
_LEAST_NOISE = 1e-4


@dataclass(frozen=True)
class Noise:
    """Standard deviation of a pixel's luminance, where the luminance is `at`; grows with the root of the light."""

    deviation: float
    at: float

    def where(self, light: FloatArray) -> FloatArray:
        """Expected deviation for each luminance of `light`."""
        return (self.deviation * np.sqrt(np.maximum(light, DARKEST) / self.at)).astype(np.float32)


@dataclass(frozen=True)
class Views:
    """Frames of one static scene, all in the reference frame's pixels.

    Attributes:
        frames: linear radiance, float32 (F, H, W, 3).
        valid: 1 where a frame sees the pixel, 0 outside its own picture, float32 (F, H, W).
        gain_px_per_dpt: blur gain of each frame in px of these frames, (F,).
        focus_dpt: focus of each frame, (F,). Where metres are unknown, dioptres stand for the focus coordinate.
        saturated: radiance from which on a pixel of the frame only says "at least", (F,).
        metric: whether a `focus_dpt` of 0 is infinity, beyond which there is nothing.
    """

    frames: FloatArray
    valid: FloatArray
    gain_px_per_dpt: FloatVector
    focus_dpt: FloatVector
    saturated: FloatVector
    noise: Noise
    metric: bool

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.frames.shape[1], self.frames.shape[2]

    @property
    def mean_gain(self) -> float:
        """Px of blur per dioptre, the unit in which depth steps are judged."""
        return float(self.gain_px_per_dpt.mean())

    @property
    def luminance(self) -> FloatArray:
        """(F, H, W)."""
        return self.frames @ LUMINANCE

    def reduced(self, factor: int) -> Views:
        """The same pictures `factor` times smaller, averaged; noise falls by the factor."""
        if factor == 1:
            return self
        size = self.size[1] // factor, self.size[0] // factor
        return replace(
            self,
            frames=np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in self.frames]),
            valid=np.stack([cv2.resize(valid, size, interpolation=cv2.INTER_NEAREST) for valid in self.valid]),
            gain_px_per_dpt=self.gain_px_per_dpt / factor,
            noise=replace(self.noise, deviation=self.noise.deviation / factor),
        )

    def of_frames(self, indices: npt.NDArray[np.int_]) -> Views:
        """The views at these indices only."""
        arrays = ("frames", "valid", "gain_px_per_dpt", "focus_dpt", "saturated")
        return replace(self, **{name: getattr(self, name)[indices] for name in arrays})

    def coc_px(self, inverse_depth: FloatArray) -> FloatArray:
        """Signed CoC of a map (H, W) in every frame, (F, H, W)."""
        gain, focus = (values[:, None, None] for values in (self.gain_px_per_dpt, self.focus_dpt))
        return np.asarray(coc_from_inverse_depth(inverse_depth, gain, focus), np.float32)

    def noise_map(self) -> FloatArray:
        """Expected noise of each pixel's luminance, (H, W)."""
        mean = np.ascontiguousarray(self.luminance.mean(0))
        return self.noise.where(np.asarray(cv2.blur(mean, (9, 9)), np.float32))


def measured_noise(frames: FloatArray) -> Noise:
    """Noise of the luminance of frames (F, H, W, 3) as the sensor gave them; the least, since texture adds to it.

    Source: Immerkær, "Fast noise variance estimation", CVIU 1996; with the median for the mean.
    """
    luminance = frames @ LUMINANCE
    deviation = min(_immerkaer(frame) for frame in luminance)
    return Noise(max(deviation, _LEAST_NOISE), float(max(np.median(luminance), DARKEST)))


def _immerkaer(picture: FloatArray) -> float:
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    return float(np.median(np.abs(cv2.filter2D(picture, -1, mask))) / (0.6745 * 6))
