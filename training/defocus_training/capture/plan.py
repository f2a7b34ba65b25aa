"""Where a sweep stops: focus distances or, without a calibrated lens, positions alone; nearest focus first."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from defocus_depth.errors import ConfigError, OpticsError
from defocus_depth.optics import focus_distance_m, focus_dpt, focus_sweep_m
from defocus_depth.optics.focus_curve import FocusCurve
from defocus_depth.types import LensParameters

from .devices import FocusRange


@dataclass(frozen=True)
class SweepRequest:
    """Which focus distances to visit. All need a calibrated lens; without one the whole range is swept."""

    near_m: float | None = None
    """Nearest focus distance (m); the nearest that leaves room for the overshoot if not given."""
    far_m: float | None = None
    """Farthest focus distance (m, inf allowed); the farthest that the lens reaches if not given."""
    count: int = 5
    """Number of focus steps, evenly spread in dioptres."""
    focus_distances_m: tuple[float, ...] = ()
    """Focus distances (m, inf allowed) instead of near, far and count."""


@dataclass(frozen=True)
class FocusScale:
    """What a position means: the curve and what else is known of the lens.

    Attributes:
        lens: None: unknown; stacks are then not metric.
        curve: position ↔ dioptres; None: unknown; stacks are then not metric.

    Raises:
        ConfigError: curve and range differ in which way is nearer.
    """

    range: FocusRange
    curve: FocusCurve | None = None
    lens: LensParameters | None = None

    def __post_init__(self) -> None:
        if self.curve is None:
            return
        rises = self.curve.dioptres[-1] > self.curve.dioptres[0]
        if rises is not self.range.nearer_is_higher:
            raise ConfigError(
                f"nearer_is_higher: expected {rises} as the lens's focus_curve says, got {self.range.nearer_is_higher}"
            )

    @property
    def metric(self) -> bool:
        """Whether focus distances are known."""
        return self.curve is not None and self.lens is not None

    def distance_m(self, position: float) -> float:
        """Focus distance (m) at a position, inf from infinity on; NaN where it is unknown."""
        if self.curve is None or self.lens is None:
            return math.nan
        return focus_distance_m(max(0.0, self.curve.focus_dpt(position)), self.lens)

    def coordinate(self, position: float) -> float:
        """A number that grows with dioptres: dioptres where they are known, else the position, signed."""
        return self.curve.focus_dpt(position) if self.curve else position * self.range.towards_near

    def position(self, distance_m: float) -> float:
        """The actuator's position for a focus distance.

        Raises:
            ConfigError: the lens does not reach it; says what it reaches.
        """
        assert self.curve is not None
        least_dpt, most_dpt = sorted(self.curve.focus_dpt(end) for end in self.ends())
        wanted_dpt = focus_dpt(distance_m, self.lens)
        half_step_dpt = 0.5 * (most_dpt - least_dpt) * self.range.step / self.range.span
        if not least_dpt - half_step_dpt <= wanted_dpt <= most_dpt + half_step_dpt:
            reach = [focus_distance_m(max(0.0, dpt), self.lens) for dpt in (most_dpt, least_dpt)]
            raise ConfigError(f"focus distance: expected {reach[0]:.3g}..{reach[1]:.3g} m (lens), got {distance_m:g} m")
        return self.range.nearest(self.curve.position(min(max(wanted_dpt, least_dpt), most_dpt)))

    def ends(self) -> tuple[float, float]:
        """The far and the near end of the positions that mean something: the range, within the curve's samples."""
        least, most = self.range.least, self.range.most
        if self.curve is not None and self.curve.kind == "monotone":
            least, most = max(least, self.curve.positions[0]), min(most, self.curve.positions[-1])
        return (least, most) if self.range.nearer_is_higher else (most, least)


def planned_positions(request: SweepRequest, scale: FocusScale, overshoot: float) -> list[float]:
    """Positions of the steps, nearest focus first, all different.

    Args:
        overshoot: room (actuator's unit) that steps leave at the near end, unless the request asks for that end.

    Raises:
        ConfigError: fewer than 2 steps, distances that the lens does not reach, or distances without a calibrated lens.
    """
    asked = request.near_m is not None or request.far_m is not None or request.focus_distances_m
    if scale.metric:
        return _distinct([scale.position(distance) for distance in _distances(request, scale, overshoot)], scale.range)
    if asked:
        raise ConfigError(
            "focus distances: expected a lens file with a focus_curve (defocus_training calibrate writes one), got none"
        )
    if request.count < 2:
        raise ConfigError(f"count: expected ≥ 2 focus steps, got {request.count}")
    far, near = scale.ends()
    spread = np.linspace(_inside(near, overshoot, scale.range), far, request.count)
    return _distinct([scale.range.nearest(float(position)) for position in spread], scale.range)


def _distances(request: SweepRequest, scale: FocusScale, overshoot: float) -> list[float]:
    if request.focus_distances_m:
        return sorted(request.focus_distances_m)
    far, near = scale.ends()
    near_m = request.near_m or scale.distance_m(_inside(near, overshoot, scale.range))
    far_m = request.far_m or scale.distance_m(far)
    try:
        return focus_sweep_m(near_m, far_m, request.count)
    except OpticsError as error:
        raise ConfigError(str(error)) from error


def _inside(near: float, overshoot: float, limits: FocusRange) -> float:
    """The nearest position that an overshoot can start beyond."""
    outermost = limits.most if limits.nearer_is_higher else limits.least
    room = abs(outermost - near)
    moved = near - limits.towards_near * max(0.0, overshoot - room)
    return moved


def _distinct(positions: list[float], limits: FocusRange) -> list[float]:
    if len(positions) < 2:
        raise ConfigError(f"focus steps: expected ≥ 2, got {len(positions)}")
    if len(set(positions)) < len(positions):
        raise ConfigError(
            f"focus steps: expected positions of their own on a grid of {limits.step:g}, got {positions}: take fewer"
        )
    return positions
