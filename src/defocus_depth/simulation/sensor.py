"""From radiance to an 8-bit picture: exposure, shot and read noise, saturation, sRGB."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..optics import from_linear
from ..types import FloatArray

_CLIPPED = 4.0  # signal, in units of full scale, beyond which noise cannot bring it back


@dataclass(frozen=True)
class SensorOptions:
    """A small machine-vision sensor at a low gain.

    Attributes:
        full_well_e: electrons per pixel at full scale, > 0; shot noise is their square root.
        read_noise_e: standard deviation of the read noise, electrons, ≥ 0.
    """

    full_well_e: float = 8000.0
    read_noise_e: float = 6.0


def expose(signal: FloatArray, options: SensorOptions, seed: int) -> npt.NDArray[np.uint8]:
    """The sRGB picture, uint8 of `signal`'s shape, of a linear signal (1 = full scale); noise is fixed by `seed`.

    Shot noise is Poisson's by its normal approximation, which the read noise hides where it fails.
    """
    noise = np.random.default_rng(seed).standard_normal(signal.shape, dtype=np.float32)
    clipped = np.minimum(signal, np.float32(_CLIPPED))
    noise *= np.sqrt(
        clipped / np.float32(options.full_well_e) + np.float32((options.read_noise_e / options.full_well_e) ** 2)
    )
    levels = np.clip((clipped + noise) * np.float32(65535) + np.float32(0.5), 0, 65535).astype(np.uint16)
    return _srgb_levels()[levels]


@functools.cache
def _srgb_levels() -> npt.NDArray[np.uint8]:
    """sRGB grey level of each 16-bit linear level."""
    return np.rint(255 * from_linear(np.arange(65536) / 65535, "srgb")).astype(np.uint8)
