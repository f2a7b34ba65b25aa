"""A focus motor: moves at constant speed in dioptres, says where it is and how fast it goes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FocusState:
    """`focus_dpt` at the time asked for, and its rate of change (dpt/s; 0 when settled)."""

    focus_dpt: float
    velocity_dpt_per_s: float


class FocusMotor:
    """Travels from where it is to each new target.

    Args:
        focus_dpt: where it stands at first, dioptres.
        speed_dpt_per_s: > 0.
    """

    def __init__(self, focus_dpt: float, speed_dpt_per_s: float) -> None:
        self.speed_dpt_per_s = speed_dpt_per_s
        self._start_dpt = self._target_dpt = focus_dpt
        self._start_s = 0.0

    def go_to(self, focus_dpt: float, now_s: float) -> None:
        """Set a new target at time `now_s`."""
        self._start_dpt, self._start_s = self.at(now_s).focus_dpt, now_s
        self._target_dpt = focus_dpt

    def at(self, now_s: float) -> FocusState:
        """Where the motor is."""
        way = self._target_dpt - self._start_dpt
        covered = self.speed_dpt_per_s * (now_s - self._start_s)
        if covered >= abs(way):
            return FocusState(self._target_dpt, 0.0)
        direction = 1.0 if way > 0 else -1.0
        return FocusState(self._start_dpt + direction * covered, direction * self.speed_dpt_per_s)
