"""The V4L2 driver on a device that behaves as UVC cameras do: stale flags, late pictures, broken JPEGs, unplugged."""

from __future__ import annotations

import errno
import time
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("linuxpy", reason="linuxpy is not installed")

from defocus_depth.errors import DeviceError, ImageError  # noqa: E402
from defocus_training.capture.drivers import v4l2, v4l2_camera  # noqa: E402
from defocus_training.capture.drivers import v4l2_controls as c  # noqa: E402
from defocus_training.capture.drivers.options import DeviceOptions, V4l2Options  # noqa: E402
from defocus_training.capture.step import StepOptions, take_step  # noqa: E402

BEFORE: dict[int, int] = {
    c.AUTOFOCUS: 1,
    c.FOCUS: 40,
    c.EXPOSURE_MODE: 3,
    c.EXPOSURE: 157,
    c.FRAMERATE_FOLLOWS: 1,
    c.GAIN: 12,
    c.AUTO_WHITE: 1,
    c.WHITE: 4600,
}
BLOCKED_BY: dict[int, tuple[int, int]] = {
    c.FOCUS: (c.AUTOFOCUS, 0),
    c.EXPOSURE: (c.EXPOSURE_MODE, 1),
    c.WHITE: (c.AUTO_WHITE, 0),
}


class FakeControl:
    """A control; it is inactive while its automatic mode was on when flags were last looked at."""

    minimum, maximum, step = 0, 250, 5

    def __init__(self, device: FakeDevice, number: int) -> None:
        self._device, self._number = device, number
        self.inactive = device.blocked(number)

    @property
    def value(self) -> int:
        self._device.check()
        return self._device.values[self._number]

    @value.setter
    def value(self, value: int) -> None:
        self._device.check()
        if self.inactive:
            raise AttributeError(f"{self._number} is not writeable: inactive")
        if self._number == c.FOCUS:
            value = round(value / 5) * 5
        self._device.log.append((self._number, value))
        self._device.values[self._number] = value


class FakeControls(dict):
    def __init__(self, device: FakeDevice) -> None:
        super().__init__()
        self._device = device
        self.refresh()

    def refresh(self) -> None:
        self.update({number: FakeControl(self._device, number) for number in self._device.values})


class FakeDevice:
    """linuxpy's Device, as far as the driver uses it."""

    def __init__(self, missing: tuple[int, ...] = ()) -> None:
        self.values = {number: value for number, value in BEFORE.items() if number not in missing}
        self.log: list[tuple[int, int]] = []
        self.unplugged = self.closed = False
        self.controls = FakeControls(self)

    def blocked(self, number: int) -> bool:
        by = BLOCKED_BY.get(number)
        return by is not None and self.values.get(by[0], by[1]) != by[1]

    def check(self) -> None:
        if self.unplugged:
            raise OSError(errno.ENODEV, "No such device")

    def close(self) -> None:
        self.closed = True


class Frame:
    """linuxpy's Frame."""

    def __init__(self, data: bytes, timestamp: float) -> None:
        self.data, self.timestamp, self.width, self.height = data, timestamp, 8, 6


def jpeg(level: int) -> bytes:
    return cv2.imencode(".jpg", np.full((6, 8, 3), level, np.uint8))[1].tobytes()


class FakeCapture:
    """linuxpy's VideoCapture: a queue of old pictures, then the present one."""

    stale: list[Frame] = []
    broken = 0

    def __init__(self, device: FakeDevice) -> None:
        self._device, self.closed = device, False

    def set_format(self, width: int, height: int, pixel_format: str) -> None:
        self._device.check()

    def open(self) -> None:
        self._device.check()

    def close(self) -> None:
        self._device.check()

    def __iter__(self) -> Any:
        while True:
            self._device.check()
            if type(self).stale:
                yield type(self).stale.pop(0)
            elif type(self).broken:
                type(self).broken -= 1
                yield Frame(jpeg(9)[:40], time.monotonic())
            else:
                yield Frame(jpeg(self._device.values[c.FOCUS]), time.monotonic())


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    monkeypatch.setattr(v4l2_camera, "VideoCapture", FakeCapture)
    monkeypatch.setattr(v4l2_camera.select, "select", lambda r, w, x, limit: (r, [], []))
    monkeypatch.setattr(FakeCapture, "stale", [])
    monkeypatch.setattr(FakeCapture, "broken", 0)
    return FakeDevice()


def actuator(device: FakeDevice) -> v4l2.V4l2Actuator:
    return v4l2.V4l2Actuator(V4l2Options(), device)  # type: ignore[arg-type]


def camera(device: FakeDevice, **options: Any) -> v4l2_camera.V4l2Camera:
    return v4l2_camera.V4l2Camera(V4l2Options(**options), device)  # type: ignore[arg-type]


def test_autofocus_goes_off_before_focus_is_set_and_both_come_back(device: FakeDevice):
    lens = actuator(device)
    assert (lens.range.least, lens.range.most, lens.range.step) == (0, 250, 5)
    lens.set_position(123)
    assert lens.read_position() == 125 and device.values[c.AUTOFOCUS] == 0
    lens.close()
    assert device.values == BEFORE and device.closed
    assert device.log[0] == (c.AUTOFOCUS, 0) and device.log[-1] == (c.AUTOFOCUS, 1)


def test_exposure_gain_and_white_balance_are_locked_where_they_are(device: FakeDevice):
    opened = camera(device)
    assert device.values[c.EXPOSURE_MODE] == 1 and device.values[c.AUTO_WHITE] == 0
    assert device.values[c.FRAMERATE_FOLLOWS] == 0
    assert [device.values[number] for number in (c.EXPOSURE, c.GAIN, c.WHITE)] == [157, 12, 4600]
    image = opened.next_image()
    assert image.pixels.shape == (6, 8, 3) and image.exposure_s == pytest.approx(0.0157) and image.gain == 12
    assert abs(image.stamp_ns - time.time_ns()) < 5e9 and abs(image.taken_s - time.monotonic()) < 5
    opened.close()
    assert device.values == BEFORE


def test_an_exposure_that_was_asked_for_is_set(device: FakeDevice):
    camera(device, exposure_us=8000)
    assert device.values[c.EXPOSURE] == 80


def test_a_camera_without_gain_or_white_balance_will_do(monkeypatch: pytest.MonkeyPatch, device: FakeDevice):
    poor = FakeDevice(missing=(c.GAIN, c.WHITE, c.AUTO_WHITE, c.FRAMERATE_FOLLOWS))
    assert camera(poor).next_image().gain is None


def test_a_camera_without_focus_is_refused_and_given_back():
    device = FakeDevice(missing=(c.FOCUS,))
    with pytest.raises(DeviceError, match="/dev/video0: expected a control FOCUS_ABSOLUTE, the device has none"):
        actuator(device)
    assert device.closed and device.values[c.AUTOFOCUS] == 1


def test_an_unplugged_camera_is_reported_and_can_be_closed(device: FakeDevice):
    opened, lens = camera(device), actuator(device)
    device.unplugged = True
    with pytest.raises(DeviceError, match="/dev/video0: expected a picture, got .*No such device"):
        opened.next_image()
    with pytest.raises(DeviceError, match="expected control FOCUS_ABSOLUTE to take 10, got .*No such device"):
        lens.set_position(10)
    opened.close()
    lens.close()
    assert device.closed


def test_one_control_that_refuses_does_not_keep_the_others_from_being_restored(device: FakeDevice):
    opened = camera(device)
    del device.values[c.GAIN], device.controls[c.GAIN]
    opened.close()
    assert device.values == {number: value for number, value in BEFORE.items() if number != c.GAIN}


def test_silence_is_an_error(device: FakeDevice, monkeypatch: pytest.MonkeyPatch):
    opened = camera(device)
    monkeypatch.setattr(v4l2_camera.select, "select", lambda r, w, x, limit: ([], [], []))
    with pytest.raises(DeviceError, match="expected a picture within 5 s, got none"):
        opened.next_image()


def test_broken_pictures_are_skipped_but_not_for_ever(device: FakeDevice):
    opened = camera(device)
    FakeCapture.broken = 3
    assert opened.next_image().pixels.mean() == pytest.approx(40, abs=2)
    FakeCapture.broken = 4
    with pytest.raises(DeviceError, match="expected a JPEG, .* 4 times in a row"):
        opened.next_image()


def test_pictures_from_before_the_move_are_not_used(device: FakeDevice):
    """The driver's queue holds pictures of the old focus: whole seconds old, and more than `discard_frames`."""
    from defocus_training.capture.devices import CaptureRig, SystemClock

    rig = CaptureRig(actuator(device), camera(device), SystemClock())
    FakeCapture.stale = [Frame(jpeg(255), time.monotonic() - 3) for _ in range(9)]
    options = StepOptions(frames_per_step=1, discard_frames=1, settle_s=0.01, motion_px=99, motion_contrast=99)
    step = take_step(rig, 100, options, "srgb")
    assert step.position == 100 and step.pixels.mean() == pytest.approx(100, abs=2)


@pytest.mark.parametrize(
    ("pixel_format", "data", "shape"),
    [("YUYV", bytes([128] * 96), (6, 8, 3)), ("GREY", bytes(range(48)), (6, 8)), ("MJPG", jpeg(50), (6, 8, 3))],
)
def test_wire_formats(pixel_format: Any, data: bytes, shape: tuple[int, ...]):
    options = V4l2Options(pixel_format=pixel_format)
    assert v4l2_camera.decoded(data, (8, 6), options).shape == shape
    with pytest.raises(ImageError, match="picture: expected"):
        v4l2_camera.decoded(data[:20], (8, 6), options)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(DeviceError, match="/dev/video99: expected a V4L2 camera"):
        v4l2.open_actuator(DeviceOptions(v4l2=V4l2Options("/dev/video99")))
