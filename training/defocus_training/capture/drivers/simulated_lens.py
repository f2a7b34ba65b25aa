"""A focus motor that misbehaves as small lenses do: quantised, with play in its gears, slow, and not linear."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..devices import FocusRange


@dataclass(frozen=True)
class SimulatedLensOptions:
    """The faults of the motor, and the focus it reaches; whoever uses it is not told of any of them.

    Attributes:
        far_dpt, near_dpt: focus at the two ends of the range; below 0 is beyond infinity.
        bend: deviation of the curve from a line in the middle of the range, in shares of near − far.
        backlash: play of the gears in shares of the range.
        settle_s: time of one move, s, however far it goes.
        positions: number of positions, from 0 on.
    """

    far_dpt: float = -0.1
    near_dpt: float = 3.4
    bend: float = 0.04
    backlash: float = 0.02
    settle_s: float = 0.08
    positions: int = 1024

    @property
    def range(self) -> FocusRange:
        """Whole numbers from 0 on; higher is nearer."""
        return FocusRange(0.0, self.positions - 1.0)


class SimulatedLens:
    """The motor; times are seconds of the rig's clock."""

    def __init__(self, options: SimulatedLensOptions) -> None:
        self._options = options
        self._commanded = options.range.least
        self._start = self._end = self._commanded
        self._start_s = -math.inf

    @property
    def commanded(self) -> float:
        """The position last asked for, on the motor's grid."""
        return self._commanded

    def go_to(self, position: float, now_s: float) -> None:
        """Start to move: the lens follows only once the play is taken up."""
        self._commanded = self._options.range.nearest(position)
        self._start, self._start_s = self._position(now_s), now_s
        half_play = 0.5 * self._options.backlash * self._options.range.span
        self._end = min(max(self._end, self._commanded - half_play), self._commanded + half_play)

    def focus_dpt(self, now_s: float) -> float:
        """True focus, dioptres."""
        share = self._position(now_s) / self._options.range.span
        bent = share + 4 * self._options.bend * share * (1 - share)
        return self._options.far_dpt + (self._options.near_dpt - self._options.far_dpt) * bent

    def _position(self, now_s: float) -> float:
        """Slow at both ends of the way."""
        elapsed = min(1.0, (now_s - self._start_s) / self._options.settle_s)
        return self._start + (self._end - self._start) * (0.5 - 0.5 * math.cos(math.pi * elapsed))
