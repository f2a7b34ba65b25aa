"""What a focus actuator, a camera and a clock promise to the sweep, whatever hardware is behind them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from defocus_depth.errors import DeviceError
from defocus_depth.optics.focus_curve import FocusCurve
from defocus_depth.types import CameraIntrinsics, FloatArray, ImageArray, Transfer


@dataclass(frozen=True)
class FocusRange:
    """The positions that an actuator takes, in its own unit.

    Attributes:
        least, most: the ends, least < most.
        step: distance of neighbouring positions, > 0.
        nearer_is_higher: whether a higher position focuses nearer.

    Raises:
        DeviceError: no range.
    """

    least: float
    most: float
    step: float = 1.0
    nearer_is_higher: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.least) and math.isfinite(self.most) and self.least < self.most and self.step > 0):
            raise DeviceError(
                f"focus range: expected least < most and step > 0, got {self.least}..{self.most}, step {self.step}"
            )

    @property
    def span(self) -> float:
        """most − least."""
        return self.most - self.least

    @property
    def towards_near(self) -> float:
        """+1 where higher positions focus nearer, else −1."""
        return 1.0 if self.nearer_is_higher else -1.0

    def nearest(self, position: float) -> float:
        """The position of the actuator's grid, within the range, that is nearest to `position`."""
        steps = round((min(max(position, self.least), self.most) - self.least) / self.step)
        on_grid = self.least + steps * self.step
        return on_grid if on_grid <= self.most else self.least + (steps - 1) * self.step


class FocusActuator(Protocol):
    """A lens's focus motor, or whoever turns the ring.

    Attributes:
        range: the positions it takes.
        settle_s: time from a command until the lens rests, s.
        curve: position ↔ dioptres as the device itself declares it (libcamera's `LensPosition`); None: unknown.
    """

    range: FocusRange
    settle_s: float
    curve: FocusCurve | None

    def set_position(self, position: float) -> None:
        """Start to move. Raises DeviceError when the device refuses or is gone."""
        ...

    def read_position(self) -> float | None:
        """Where the device says that it is; None where it cannot say. Raises DeviceError when it is gone."""
        ...

    def close(self) -> None:
        """Give the device back with the settings it had. Never raises for a device that is gone."""
        ...


@dataclass(frozen=True)
class CapturedImage:
    """One picture of a camera.

    Attributes:
        pixels: RGB (H, W, 3) or mono (H, W), uint8 or uint16.
        stamp_ns: when it was taken, ns since the epoch (or of the camera's own clock).
        taken_s: when it was taken, in seconds of the rig's clock; when it came, where the camera does not say.
        exposure_s, gain: as the camera tells them; None where it does not.
        transfer: of its values, as far as their format tells.
    """

    pixels: ImageArray
    stamp_ns: int
    taken_s: float
    exposure_s: float | None = None
    gain: float | None = None
    transfer: Transfer = "srgb"


class CameraSource(Protocol):
    """Pictures with exposure, gain and white balance locked for as long as it is open."""

    def next_image(self) -> CapturedImage:
        """The next picture that the camera takes. Raises DeviceError when none comes or the camera is gone."""
        ...

    def intrinsics(self) -> CameraIntrinsics | None:
        """The camera's calibration, where it has one."""
        ...

    def close(self) -> None:
        """Give the camera back with the settings it had. Never raises for a camera that is gone."""
        ...


class Clock(Protocol):
    """Time of a rig: the machine's, or a simulation's."""

    def now_s(self) -> float:
        """Seconds since any fixed moment."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    def now_s(self) -> float:
        """Seconds since some moment before the program started."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(max(0.0, seconds))


def _nothing(moving: bool, position: float) -> None:
    """Nobody wants to know."""


@dataclass
class CaptureRig:
    """A camera and its lens's actuator, opened; a context manager that gives both back.

    Attributes:
        on_lens: told (moving, position) whenever the lens starts or ends to move.
        true_depth_m: depth (H, W) m of what the camera sees now; None: nobody knows (all but simulations).
        show_scene: puts the scene of a number in front of the camera; None: a person has to.
    """

    actuator: FocusActuator
    camera: CameraSource
    clock: Clock
    on_lens: Callable[[bool, float], None] = _nothing
    true_depth_m: Callable[[], FloatArray] | None = None
    show_scene: Callable[[int], None] | None = None

    def __enter__(self) -> CaptureRig:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give actuator and camera back; both, whatever happens to the first."""
        try:
            self.actuator.close()
        finally:
            self.camera.close()
