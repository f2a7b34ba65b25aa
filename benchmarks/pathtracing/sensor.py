"""From radiance to the 8-bit picture of a small robot camera: exposure, shot and read noise, clipping, sRGB."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from defocus_depth import optics


@dataclass(frozen=True)
class Sensor:
    """A linear sensor.

    Attributes:
        exposure: radiance times this is the fraction of full scale.
        full_scale_e: electrons at full scale; few electrons are a high gain.
        read_noise_e: standard deviation, electrons.
    """

    exposure: float
    full_scale_e: float
    read_noise_e: float

    def develop(self, radiance: npt.NDArray[np.floating], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
        """The noisy picture, uint8 sRGB of the shape of `radiance`."""
        expected_e = np.maximum(radiance, 0) * self.exposure * self.full_scale_e
        electrons = rng.poisson(expected_e) + rng.normal(0, self.read_noise_e, expected_e.shape)
        return self._encode(electrons / self.full_scale_e)

    def develop_noiseless(self, radiance: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
        """The picture without noise."""
        return self._encode(radiance * self.exposure)

    def _encode(self, linear: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
        return np.rint(255 * optics.from_linear(np.clip(linear, 0, 1), "srgb")).astype(np.uint8)


def metered(radiance: npt.NDArray[np.floating], rng: np.random.Generator) -> Sensor:
    """A sensor of random gain that exposes `radiance` (H, W, 3) as automatic exposure would, now and then too dark."""
    bright = float(np.percentile(radiance.max(axis=-1), 95))
    target = rng.uniform(0.25, 0.5) if rng.random() < 0.15 else rng.uniform(0.6, 1.0)
    full_scale_e = float(np.exp(rng.uniform(np.log(4000), np.log(15000))))
    return Sensor(target / max(bright, 1e-6), full_scale_e, float(rng.uniform(2, 6)))
