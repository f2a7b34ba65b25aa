"""The driver `v4l2`: `focus_absolute` of a kernel camera, automatic focus off and restored afterwards."""

from __future__ import annotations

from linuxpy.video.device import Device

from defocus_depth.errors import DeviceError
from defocus_depth.optics.focus_curve import FocusCurve

from ..devices import FocusRange
from .options import DeviceOptions, V4l2Options
from .v4l2_controls import AUTOFOCUS, FOCUS, ControlBank


class V4l2Actuator:
    """Positions are the control's unit, which no standard defines: calibrate each device."""

    curve: FocusCurve | None = None

    def __init__(self, options: V4l2Options, device: Device) -> None:
        """Take over the focus.

        Raises:
            DeviceError: the device has no focus control, refuses, or is gone; what was changed is restored.
        """
        self._device, self._controls = device, ControlBank(device, options.device)
        self.settle_s = options.settle_s
        try:
            focus = self._controls.control(FOCUS)
            grid = float(max(1, focus.step))
            self.range = FocusRange(float(focus.minimum), float(focus.maximum), grid, options.nearer_is_higher)
            position = self._controls.read(FOCUS)
            self._controls.write_if_there(AUTOFOCUS, 0)
            self._controls.write(FOCUS, position)
        except DeviceError:
            self.close()
            raise

    def set_position(self, position: float) -> None:
        """Set `focus_absolute`. Raises DeviceError when the device refuses or is gone."""
        self._controls.write(FOCUS, round(self.range.nearest(position)))

    def read_position(self) -> float | None:
        """What the control says; many devices tell the target at once. Raises DeviceError when it is gone."""
        return float(self._controls.read(FOCUS))

    def close(self) -> None:
        """Restore focus and automatic focus."""
        try:
            self._controls.restore()
        finally:
            self._device.close()


def open_device(path: str) -> Device:
    """The device, opened.

    Raises:
        DeviceError: not there, not permitted, or no V4L2 device.
    """
    device = Device(path)
    try:
        device.open()
    except OSError as error:
        raise DeviceError(f"{path}: expected a V4L2 camera, got {error}") from error
    return device


def open_actuator(options: DeviceOptions) -> V4l2Actuator:
    """The focus of the device.

    Raises:
        DeviceError: see `open_device` and `V4l2Actuator`.
    """
    return V4l2Actuator(options.v4l2, open_device(options.v4l2.device))
