"""Transfer functions between stored pixel values and radiance. Blur is linear in radiance only.

Works on NumPy arrays in 0..1; training keeps a torch twin and a test that both agree.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from ..types import TRANSFERS, Transfer

GAMMA = 2.2


def to_linear(encoded: npt.NDArray[np.floating], transfer: Transfer) -> npt.NDArray[np.floating]:
    """Radiance 0..1 of encoded values 0..1: IEC 61966-2-1 for `srgb`, power 2.2 for `gamma`."""
    _check(transfer)
    if transfer == "linear":
        return encoded
    if transfer == "gamma":
        return np.maximum(encoded, 0) ** GAMMA
    curved = ((np.maximum(encoded, 0) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, encoded / 12.92, curved)


def from_linear(radiance: npt.NDArray[np.floating], transfer: Transfer) -> npt.NDArray[np.floating]:
    """Inverse of `to_linear`."""
    _check(transfer)
    if transfer == "linear":
        return radiance
    if transfer == "gamma":
        return np.maximum(radiance, 0) ** (1 / GAMMA)
    curved = 1.055 * np.maximum(radiance, 0) ** (1 / 2.4) - 0.055
    return np.where(radiance <= 0.0031308, radiance * 12.92, curved)


def _check(transfer: str) -> None:
    if transfer not in TRANSFERS:
        raise ConfigError(f"transfer: expected one of {', '.join(TRANSFERS)}, got {transfer!r}")
