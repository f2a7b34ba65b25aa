"""Controls of a V4L2 device: set by their standard numbers, and restored.

linuxpy keeps the flags of a control from when it looked first; a control that was inactive under an automatic mode
can therefore be set only after `refresh`.
"""

from __future__ import annotations

import logging
from typing import Any

from linuxpy.video.device import ControlID, Device

from defocus_depth.errors import DeviceError

_LOG = logging.getLogger(__name__)
FOCUS, AUTOFOCUS = ControlID.FOCUS_ABSOLUTE, ControlID.FOCUS_AUTO
EXPOSURE_MODE, EXPOSURE, FRAMERATE_FOLLOWS = (
    ControlID.EXPOSURE_AUTO,
    ControlID.EXPOSURE_ABSOLUTE,
    ControlID.EXPOSURE_AUTO_PRIORITY,
)
AUTO_GAIN, GAIN = ControlID.AUTOGAIN, ControlID.GAIN
AUTO_WHITE, WHITE = ControlID.AUTO_WHITE_BALANCE, ControlID.WHITE_BALANCE_TEMPERATURE
EXPOSURE_MANUAL = 1
EXPOSURE_UNIT_US = 100
_PROBLEMS = (OSError, AttributeError, ValueError, KeyError)  # what linuxpy raises for a control that cannot be used


class ControlBank:
    """The controls of one device; remembers what they were before they were changed."""

    def __init__(self, device: Device, path: str) -> None:
        self._device, self._path = device, path
        self._before: dict[int, int] = {}

    def has(self, control: int) -> bool:
        """Whether the device has it."""
        return self._find(control) is not None

    def control(self, control: int) -> Any:
        """The control itself, for its limits.

        Raises:
            DeviceError: the device does not have it.
        """
        found = self._find(control)
        if found is None:
            raise DeviceError(f"{self._path}: expected a control {ControlID(control).name}, the device has none")
        return found

    def read(self, control: int) -> int:
        """Its value.

        Raises:
            DeviceError: the device does not have it, or is gone.
        """
        try:
            return int(self.control(control).value)
        except _PROBLEMS as error:
            raise self._refusal(control, "to be read", error) from error

    def write(self, control: int, value: int) -> None:
        """Set it; its value before the first write is kept for `restore`.

        Raises:
            DeviceError: the device does not have it, refuses, or is gone.
        """
        if control not in self._before:
            self._before[control] = self.read(control)
        try:
            self.control(control).value = value
            self._controls().refresh()
        except _PROBLEMS as error:
            raise self._refusal(control, f"to take {value}", error) from error

    def write_if_there(self, control: int, value: int) -> None:
        """Set it where the device has it.

        Raises:
            DeviceError: it refuses, or is gone.
        """
        if self.has(control):
            self.write(control, value)

    def restore(self) -> None:
        """Give every changed control its old value, the last changed first; whatever one of them says."""
        for control, value in reversed(self._before.items()):
            try:
                self.control(control).value = value
                self._controls().refresh()
            except (*_PROBLEMS, DeviceError) as error:
                _LOG.warning(
                    "%s: %s could not be restored to %s: %s", self._path, ControlID(control).name, value, error
                )
        self._before.clear()

    def _controls(self) -> Any:
        return self._device.controls

    def _find(self, control: int) -> Any:
        try:
            return self._controls()[control]
        except KeyError:
            return None
        except OSError as error:
            raise self._refusal(control, "to be looked up", error) from error

    def _refusal(self, control: int, expected: str, error: Exception) -> DeviceError:
        return DeviceError(f"{self._path}: expected control {ControlID(control).name} {expected}, got {error}")


def lock_exposure(controls: ControlBank, exposure_us: int) -> None:
    """Switch automatic exposure, gain and white balance off; what they chose holds, or `exposure_us` (µs, > 0).

    Raises:
        DeviceError: a control refuses, or the device is gone.
    """
    for control in (EXPOSURE, GAIN, WHITE):
        if controls.has(control):
            chosen = controls.read(control)
            automatic, off = {EXPOSURE: (EXPOSURE_MODE, EXPOSURE_MANUAL), GAIN: (AUTO_GAIN, 0), WHITE: (AUTO_WHITE, 0)}[
                control
            ]
            controls.write_if_there(automatic, off)
            wanted = round(exposure_us / EXPOSURE_UNIT_US) if control == EXPOSURE and exposure_us else chosen
            controls.write(control, wanted)
    controls.write_if_there(FRAMERATE_FOLLOWS, 0)
