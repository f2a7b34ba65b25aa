"""What the lens was doing when an image was taken: a short memory of `lens_state` messages, without ROS."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from ..errors import OpticsError

FOCUS_DISTANCE, F_NUMBER, FOCAL_LENGTH = "focus_distance", "f_number", "focal_length"
MEMORY = 512  # states: several seconds at 100 Hz, more than any image is late
JUMP_NS = 10**9  # back in time by more than this: no late message, another clock


@dataclass(frozen=True)
class LensState:
    """The lens at one moment.

    Attributes:
        focus_distance_m: > 0, inf allowed.
        f_number, focal_length_m: None where the message did not say.
        travelling: focus, aperture or zoom were moving: an image taken then has no single focus distance.
    """

    stamp_ns: int
    focus_distance_m: float
    f_number: float | None = None
    focal_length_m: float | None = None
    travelling: bool = False


def lens_state_from(message: Any) -> LensState:
    """Read a sensor_msgs/JointState (or anything with its fields).

    Raises:
        OpticsError: no `focus_distance`, a joint twice, arrays of different lengths, or values that no lens has (NaN,
            ≤ 0).
    """
    names, positions, velocities = list(message.name), list(message.position), list(message.velocity)
    if FOCUS_DISTANCE not in names:
        raise OpticsError(f"lens_state: expected a joint named {FOCUS_DISTANCE!r}, got {names}")
    if len(positions) != len(names) or len(velocities) not in (0, len(names)):
        lengths = f"{len(names)} names, {len(positions)} positions, {len(velocities)} velocities"
        raise OpticsError(f"lens_state: expected a position and either a or no velocity per name, got {lengths}")
    if len(set(names)) != len(names):
        raise OpticsError(f"lens_state: expected every joint once, got {names}")
    values = dict(zip(names, positions, strict=True))
    speeds = dict(zip(names, velocities, strict=True)) if velocities else {}
    return LensState(
        stamp_ns=stamp_ns(message.header),
        focus_distance_m=_positive(FOCUS_DISTANCE, values[FOCUS_DISTANCE], inf_allowed=True),
        f_number=_optional(F_NUMBER, values),
        focal_length_m=_optional(FOCAL_LENGTH, values),
        travelling=any(_moves(name, speeds) for name in (FOCUS_DISTANCE, F_NUMBER, FOCAL_LENGTH)),
    )


def stamp_ns(header: Any) -> int:
    """Nanoseconds of a std_msgs/Header's stamp."""
    return header.stamp.sec * 10**9 + header.stamp.nanosec


def _positive(name: str, value: float, *, inf_allowed: bool = False) -> float:
    if not value > 0 or (math.isinf(value) and not inf_allowed):  # not >: also refuses NaN
        raise OpticsError(f"lens_state {name}: expected > 0{'' if inf_allowed else ' and finite'}, got {value}")
    return value


def _optional(name: str, values: dict[str, float]) -> float | None:
    return _positive(name, values[name]) if name in values else None


def _moves(name: str, speeds: dict[str, float]) -> bool:
    speed = speeds.get(name, 0.0)
    if math.isnan(speed):
        raise OpticsError(f"lens_state {name}: velocity: expected a number (0 at rest), got nan")
    return speed != 0.0


class LensStateBuffer:
    """The latest lens states, nearly in the order of their stamps; safe to fill and ask from different threads."""

    def __init__(self) -> None:
        self._live: deque[LensState] = deque(maxlen=MEMORY)
        self._earlier: deque[LensState] = deque(maxlen=MEMORY)
        self._lock = threading.Lock()

    def add(self, state: LensState) -> None:
        """Remember a state that was just told, and forget the one received longest ago.

        Where its stamp lies `JUMP_NS` before one that is known, the clock jumped back (a bag that starts again, a
        simulation that was reset), and what is later by the clock of before is forgotten.
        """
        with self._lock:
            _forget_other_clock(self._live, state)
            _forget_other_clock(self._earlier, state)
            self._live.append(state)

    def recall(self, state: LensState) -> None:
        """Remember a state that was told before anybody listened; states are recalled in the order they were told."""
        with self._lock:
            if state not in reversed(self._live):
                _forget_other_clock(self._earlier, state)
                self._earlier.append(state)

    def clear(self) -> None:
        """Forget all states."""
        with self._lock:
            self._live.clear()
            self._earlier.clear()

    def __len__(self) -> int:
        return len(self._live) + len(self._earlier)

    def at(self, stamp_ns: int) -> LensState | None:
        """The newest state at or before a moment (of equal stamps the last received); None: all are later."""
        with self._lock:
            known = (*reversed(self._live), *reversed(self._earlier))
        return max((s for s in known if s.stamp_ns <= stamp_ns), key=lambda state: state.stamp_ns, default=None)


def _forget_other_clock(states: deque[LensState], told: LensState) -> None:
    """Drop what is later than a state told after it, where the clock jumped back between them."""
    if any(state.stamp_ns - told.stamp_ns > JUMP_NS for state in states):
        kept = [state for state in states if state.stamp_ns <= told.stamp_ns]
        states.clear()
        states.extend(kept)
