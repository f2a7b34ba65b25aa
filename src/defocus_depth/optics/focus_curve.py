"""A lens's focus scale: motor position ↔ focus in dioptres."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from ..errors import OpticsError

CurveKind = Literal["affine", "monotone"]


@dataclass(frozen=True)
class FocusCurve:
    """Focus in dioptres over the actuator's position, and back.

    `affine` is the least-squares line through the samples (voice-coil lenses are close to it) and holds
    outside them too. `monotone` joins the samples by straight lines and refuses positions outside them.
    Dioptres slightly below 0 are kept: such a lens focuses beyond infinity.

    Attributes:
        kind: `affine` or `monotone`.
        positions: the actuator's unit, strictly increasing, at least 2.
        dioptres: focus (1/m) at each position, strictly increasing or strictly decreasing.

    Raises:
        OpticsError: samples that are not finite, too few, of unequal number or not strictly monotone.
    """

    kind: CurveKind
    positions: tuple[float, ...]
    dioptres: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.kind not in ("affine", "monotone"):
            raise OpticsError(f"focus_curve kind: expected affine or monotone, got {self.kind!r}")
        count = len(self.positions)
        if count < 2 or len(self.dioptres) != count:
            raise OpticsError(
                f"focus_curve: expected at least 2 positions and as many dioptres, got {count} and {len(self.dioptres)}"
            )
        if not np.isfinite([*self.positions, *self.dioptres]).all():
            raise OpticsError(f"focus_curve: expected finite numbers, got {self.positions} and {self.dioptres}")
        if not _increasing(self.positions):
            raise OpticsError(f"focus_curve positions: expected strictly increasing, got {self.positions}")
        if not (_increasing(self.dioptres) or _increasing(self.dioptres[::-1])):
            raise OpticsError(f"focus_curve dioptres: expected strictly monotone, got {self.dioptres}")

    def focus_dpt(self, position: float) -> float:
        """Focus (1/m) at an actuator position.

        Raises:
            OpticsError: outside the samples of a `monotone` curve, or not finite.
        """
        if not math.isfinite(position):
            raise OpticsError(f"focus_curve position: expected a finite number, got {position}")
        if self.kind == "affine":
            slope, offset = self._line()
            return slope * position + offset
        return _interpolated("position", position, self.positions, self.dioptres)

    def position(self, focus_dpt: float) -> float:
        """The actuator position that focuses at `focus_dpt` (1/m); inverse of `focus_dpt`.

        Raises:
            OpticsError: outside the samples of a `monotone` curve.
        """
        if self.kind == "affine":
            slope, offset = self._line()
            return (focus_dpt - offset) / slope
        order = slice(None) if _increasing(self.dioptres) else slice(None, None, -1)
        return _interpolated("focus_dpt", focus_dpt, self.dioptres[order], self.positions[order])

    def _line(self) -> tuple[float, float]:
        """Slope and offset of the least-squares line, from centred samples (positions may be large numbers)."""
        positions, dioptres = np.array(self.positions), np.array(self.dioptres)
        centred = positions - positions.mean()
        slope = float(centred @ (dioptres - dioptres.mean()) / (centred @ centred))
        return slope, float(dioptres.mean() - slope * positions.mean())


def _increasing(values: tuple[float, ...]) -> bool:
    return all(later > earlier for earlier, later in pairwise(values))


def _interpolated(name: str, value: float, samples: tuple[float, ...], results: tuple[float, ...]) -> float:
    if not samples[0] <= value <= samples[-1]:
        raise OpticsError(f"focus_curve {name}: expected {samples[0]}..{samples[-1]}, got {value!r}")
    return float(np.interp(value, samples, results))
