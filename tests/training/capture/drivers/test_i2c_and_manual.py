"""The voice coil on a bus that now and then does not acknowledge, and the person at the ring."""

from __future__ import annotations

import errno
import sys

import pytest

pytest.importorskip("smbus2", reason="smbus2 is not installed")

from defocus_depth.errors import DeviceError  # noqa: E402
from defocus_training.capture.drivers import i2c_vcm, manual  # noqa: E402
from defocus_training.capture.drivers.i2c_vcm import VoiceCoilActuator  # noqa: E402
from defocus_training.capture.drivers.manual import ManualActuator  # noqa: E402
from defocus_training.capture.drivers.options import DeviceOptions, I2cOptions, ManualOptions  # noqa: E402


class FlakyBus:
    """Acknowledges only every `every`-th write; gone after `lasts` writes."""

    def __init__(self, every: int = 1, lasts: int = 10**6) -> None:
        self.every, self.lasts = every, lasts
        self.tries, self.closed = 0, False
        self.code: int | None = None

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None:
        self.tries += 1
        if self.tries > self.lasts:
            raise OSError(errno.ENODEV, "No such device")
        if self.tries % self.every:
            raise OSError(errno.EREMOTEIO, "Remote I/O error")
        assert i2c_addr == 0x0C and register < 0x40 and value & 0xF == 0
        self.code = (register << 8 | value) >> 4

    def close(self) -> None:
        self.closed = True


def coil(bus: FlakyBus, pauses: list[float] | None = None) -> VoiceCoilActuator:
    return VoiceCoilActuator(I2cOptions(), bus, (pauses if pauses is not None else []).append)


@pytest.mark.parametrize("code", [0, 1, 511, 512, 1023])
def test_codes_arrive_whole(code: int):
    bus = FlakyBus()
    coil(bus).set_position(code)
    assert bus.code == code and bus.tries == 1


def test_positions_are_rounded_and_kept_in_range():
    bus = FlakyBus()
    for asked, sent in ((100.4, 100), (-5, 0), (5000, 1023)):
        coil(bus).set_position(asked)
        assert bus.code == sent


def test_spurious_naks_are_tried_again_after_a_pause():
    bus, pauses = FlakyBus(every=4), []
    coil(bus, pauses).set_position(300)
    assert bus.code == 300 and bus.tries == 4 and len(pauses) == 3 and all(pauses)


def test_a_chip_that_never_acknowledges_is_reported_with_its_address():
    bus = FlakyBus(every=100)
    with pytest.raises(DeviceError, match=r"I2C bus 1, address 0x0c: expected the lens to take code 7, got .*try 6"):
        coil(bus).set_position(7)
    assert bus.tries == 6


def test_a_bus_that_is_gone_is_not_tried_again():
    bus = FlakyBus(lasts=1)
    actuator = coil(bus)
    actuator.set_position(3)
    with pytest.raises(DeviceError, match=r"No such device \(try 1\)"):
        actuator.set_position(4)
    actuator.close()
    assert bus.closed and actuator.read_position() is None


def test_a_bus_that_is_not_there_is_refused():
    with pytest.raises(DeviceError, match="/dev/i2c-99: expected an I2C bus that may be used"):
        i2c_vcm.open_actuator(DeviceOptions(i2c=I2cOptions(bus=99)))


def test_a_person_is_asked_for_marks_in_metres():
    asked: list[str] = []
    actuator = ManualActuator(ManualOptions(nearest_m=0.25), asked.append)
    assert (actuator.range.least, actuator.range.most) == (0.0, 4.0)
    assert actuator.curve is not None and actuator.curve.focus_dpt(2.0) == pytest.approx(2.0)
    actuator.set_position(2.0)
    actuator.set_position(0.0)
    assert "to 0.5 m;" in asked[0] and "to infinity;" in asked[1]


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(DeviceError, match="expected a terminal to ask at"):
        manual.open_actuator(DeviceOptions())

    def ended(text: str) -> None:
        raise EOFError

    with pytest.raises(DeviceError, match="the input has ended"):
        ManualActuator(ManualOptions(), ended).set_position(1.0)
