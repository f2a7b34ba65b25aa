"""Options of the simulated camera, apart from it so that listing them compiles no renderer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SimulatedOptions:
    """The simulated camera."""

    rig: Literal["robot", "nyu", "macro"] = "robot"
    """Camera and scenes, as in `defocus_depth simulate`."""
    width_px: int = 320
    """Width of the pictures (px), 4:3."""
    seed: int = 0
    """Number of the first scene; the following scenes have the following numbers."""
    samples_per_pixel: int = 64
    """Rays per pixel."""
    rate_hz: float = 30.0
    """Pictures per second (Hz) of simulated time."""
    breathing_per_dpt: float = 0.0
    """Focus breathing: growth of the image per dioptre of nearer focus."""
    backlash: float = 0.02
    """Play of the focus gears, in shares of the range."""
    settle_s: float = 0.08
    """Time that the lens needs for a move (s)."""
    targets_m: tuple[float, ...] = ()
    """Flat textured walls at these distances (m) instead of rooms, one after the other."""
