"""Point spread functions: what one scene point becomes on the sensor, as a function of its circle of confusion.

Each model gives the integral of its normalised shape over pixels, so that a splat loses no energy on the pixel grid.
Shapes are regular, so their second moment is the same along every axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from defocus_depth.errors import ConfigError

DISC_SIGMA_PER_COC = 0.25
GAUSSIAN_CUT_SIGMAS = 3.0
_COLUMNS_PER_PIXEL = 32


class Psf(Protocol):
    """A blur shape, drawn at any standard deviation."""

    @property
    def sigma_per_coc(self) -> float:
        """Standard deviation per axis of the shape for a CoC of 1 px."""
        ...

    @property
    def extent_sigmas(self) -> float:
        """Farthest reach of the shape from its centre, in standard deviations."""
        ...

    @property
    def flips(self) -> bool:
        """Whether the shape turns by 180° between the near and the far side of the focus plane."""
        ...

    def pixel_integrals(self, sigma_px: float, half_px: int) -> npt.NDArray[np.float64]:
        """Integral over each pixel of the shape with that standard deviation, (2·half+1, 2·half+1); sums to 1."""
        ...


@dataclass(frozen=True)
class DiscPsf:
    """Uniform disc of diameter |CoC|: a round aperture without aberrations. σ = c/4 per axis."""

    @property
    def sigma_per_coc(self) -> float:
        return DISC_SIGMA_PER_COC

    @property
    def extent_sigmas(self) -> float:
        return 2.0

    @property
    def flips(self) -> bool:
        return False

    def pixel_integrals(self, sigma_px: float, half_px: int) -> npt.NDArray[np.float64]:
        radius = 2 * sigma_px
        columns = _column_centres(half_px)
        reach = np.sqrt(np.maximum(0.0, radius**2 - columns**2))
        return _integrate_chords(-reach, reach, half_px)


@dataclass(frozen=True)
class GaussianPsf:
    """Gaussian of σ = `kappa`·|CoC| per axis, cut at 3σ: the usual stand-in; fitted κ differs by lens.

    Raises:
        ConfigError: `kappa` outside (0, 1).
    """

    kappa: float = DISC_SIGMA_PER_COC

    def __post_init__(self) -> None:
        if not 0 < self.kappa < 1:
            raise ConfigError(f"psf kappa: expected a number in (0, 1), got {self.kappa!r}")

    @property
    def sigma_per_coc(self) -> float:
        return self.kappa

    @property
    def extent_sigmas(self) -> float:
        return GAUSSIAN_CUT_SIGMAS

    @property
    def flips(self) -> bool:
        return False

    def pixel_integrals(self, sigma_px: float, half_px: int) -> npt.NDArray[np.float64]:
        reach = self.extent_sigmas * sigma_px
        edges = np.clip(np.arange(-half_px, half_px + 2) - 0.5, -reach, reach)
        along_axis = np.diff([math.erf(edge / (math.sqrt(2) * sigma_px)) for edge in edges])
        weights = np.outer(along_axis, along_axis)
        return weights / weights.sum()


@dataclass(frozen=True)
class PolygonPsf:
    """Regular polygon with the area of the disc of diameter |CoC|: an iris of `blades` straight blades.

    Attributes:
        blades: 3..12.
        rotation_rad: angle of the first corner from the x axis towards y (down), beyond the focus plane.

    Raises:
        ConfigError: `blades` outside 3..12.
    """

    blades: int = 6
    rotation_rad: float = 0.0

    def __post_init__(self) -> None:
        if not 3 <= self.blades <= 12:
            raise ConfigError(f"psf blades: expected 3..12, got {self.blades!r}")

    @property
    def flips(self) -> bool:
        return self.blades % 2 == 1

    @property
    def sigma_per_coc(self) -> float:
        """Second moment of a regular polygon of circumradius ρ: ρ²·(2 + cos(2π/n))/12 per axis."""
        return 0.5 * self._circumradius * math.sqrt((2 + math.cos(2 * math.pi / self.blades)) / 12)

    @property
    def extent_sigmas(self) -> float:
        return 0.5 * self._circumradius / self.sigma_per_coc

    def pixel_integrals(self, sigma_px: float, half_px: int) -> npt.NDArray[np.float64]:
        low, high = self._chords(_column_centres(half_px), self.extent_sigmas * sigma_px)
        return _integrate_chords(low, high, half_px)

    @property
    def _circumradius(self) -> float:
        """Of the polygon with the unit disc's area."""
        return math.sqrt(2 * math.pi / (self.blades * math.sin(2 * math.pi / self.blades)))

    def _chords(self, columns: npt.NDArray[np.float64], circumradius: float) -> tuple[npt.NDArray, npt.NDArray]:
        """Lowest and highest y inside the polygon at each column x, from its half planes n·p ≤ apothem."""
        angles = self.rotation_rad + (np.arange(self.blades) + 0.5) * 2 * math.pi / self.blades
        apothem = circumradius * math.cos(math.pi / self.blades)
        low, high = np.full_like(columns, -np.inf), np.full_like(columns, np.inf)
        for cosine, sine in zip(np.cos(angles), np.sin(angles), strict=True):
            if abs(sine) < 1e-9:
                high = np.where(cosine * columns <= apothem, high, -np.inf)
            elif sine > 0:
                high = np.minimum(high, (apothem - cosine * columns) / sine)
            else:
                low = np.maximum(low, (apothem - cosine * columns) / sine)
        return low, np.maximum(low, high)


def _column_centres(half_px: int) -> npt.NDArray[np.float64]:
    count = (2 * half_px + 1) * _COLUMNS_PER_PIXEL
    return (np.arange(count) + 0.5) / _COLUMNS_PER_PIXEL - half_px - 0.5


def _integrate_chords(
    low: npt.NDArray[np.float64], high: npt.NDArray[np.float64], half_px: int
) -> npt.NDArray[np.float64]:
    """Area per pixel of a convex shape given by its chord [low, high] at each column; divided by the whole area."""
    rows = np.arange(-half_px, half_px + 1)[:, None]
    inside = np.minimum(high, rows + 0.5) - np.maximum(low, rows - 0.5)
    area = np.maximum(0.0, inside).reshape(2 * half_px + 1, 2 * half_px + 1, _COLUMNS_PER_PIXEL).sum(2)
    return area / area.sum()
