"""How well depth can be told from blur: what a lens makes of an error in blur, and how small noise lets that be.

Near the focus plane blur hardly changes a picture, so its size is told badly there; far from it blur takes away the
frequencies that would tell. The limit is Cramér and Rao's for a patch of texture whose sharp look is known (as a focal
stack makes it), of power spectrum ∝ 1/frequency² (Field, J. Opt. Soc. Am. A 4(12), 1987) under white noise. A network
that sees one picture does not know the sharp look and stays above it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import OpticsError

_SIGMA_PER_DIAMETER = 0.25  # of a disc, per axis


@dataclass(frozen=True)
class PatchNoise:
    """A patch of texture and its noise.

    Attributes:
        patch_px: side of the patch, > 1.
        contrast: standard deviation of the sharp texture over its mean, > 0.
        noise: standard deviation of a pixel over the mean, > 0; 0.015 is 8-bit video indoors.
    """

    patch_px: int = 16
    contrast: float = 0.15
    noise: float = 0.015


def noise_limit_px(coc_px: float, patch: PatchNoise | None = None) -> float:
    """Least standard deviation (px) of the blur diameter `coc_px` (px, sign ignored) from one patch."""
    patch = patch or PatchNoise()
    if patch.patch_px < 2 or patch.contrast <= 0 or patch.noise <= 0:
        raise OpticsError(f"patch: expected patch_px ≥ 2, contrast > 0 and noise > 0, got {patch}")
    diameter = abs(coc_px)
    # A picture changes with d², not with d: that keeps the error finite where there is no blur.
    squared_error = 1 / math.sqrt(max(1e-300, _information(diameter, patch)))
    return math.sqrt(diameter**2 + squared_error) - diameter


def depth_error_m(distance_m: float, gain_px_per_dpt: float, coc_error_px: float) -> float:
    """Depth error (m) that an error of the circle of confusion (px) makes at `distance_m`; inf beyond what is told.

    Half the interval between the depths that are one error off on either side: d²·e/G for small errors.

    Raises:
        OpticsError: values that are not > 0 (the error: ≥ 0).
    """
    if not (distance_m > 0 and gain_px_per_dpt > 0 and coc_error_px >= 0):
        raise OpticsError(
            f"depth error: expected distance and gain > 0 and an error ≥ 0, "
            f"got {distance_m}, {gain_px_per_dpt}, {coc_error_px}"
        )
    nearness, error = 1 / distance_m, coc_error_px / gain_px_per_dpt
    if error >= nearness:
        return math.inf
    return 0.5 * (1 / (nearness - error) - 1 / (nearness + error))


def _information(diameter_px: float, patch: PatchNoise) -> float:
    """Fisher information about the squared diameter: Σ over the patch's frequencies of |∂H/∂d²|²·signal / noise."""
    frequency = np.fft.fftfreq(patch.patch_px)
    squared = frequency[:, None] ** 2 + frequency[None] ** 2
    squared[0, 0] = np.inf
    signal = 1 / squared
    signal *= patch.contrast**2 * patch.patch_px**2 / signal.sum()  # Σ over frequencies = variance · pixels
    squared[0, 0] = 0.0
    spread = 2 * np.pi**2 * _SIGMA_PER_DIAMETER**2 * squared
    slope = spread * np.exp(-spread * diameter_px**2)
    return float(np.sum(slope**2 * signal) / patch.noise**2)
