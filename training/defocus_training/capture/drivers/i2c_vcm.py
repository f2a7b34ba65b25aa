"""The driver `i2c_vcm`: a voice coil behind a DW9714-like chip, as on Arducam's motorised lenses.

The chip takes a 10-bit current code in two bytes: 0 0 d9…d4, then d3…d0 and four bits that choose how fast it slews
(0: at once). It now and then does not acknowledge although nothing is wrong, so writes are tried again.
Source: DW9714 data sheet (Dongwoon Anatech), "I2C format".
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import Protocol

from smbus2 import SMBus

from defocus_depth.errors import DeviceError
from defocus_depth.optics.focus_curve import FocusCurve

from ..devices import FocusRange
from .options import DeviceOptions, I2cOptions

_MOST_CODE = 1023
_SPURIOUS = (errno.EREMOTEIO, errno.EIO, errno.ENXIO, errno.ETIMEDOUT, errno.EAGAIN)  # how adapters report a NAK
_PAUSE_S = 0.01


class Bus(Protocol):
    """What is used of smbus2.SMBus."""

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None: ...
    def close(self) -> None: ...


class VoiceCoilActuator:
    """Positions are the chip's codes, 0..1023; it cannot be read back."""

    curve: FocusCurve | None = None

    def __init__(self, options: I2cOptions, bus: Bus, sleep: Callable[[float], None] = time.sleep) -> None:
        self._options, self._bus, self._sleep = options, bus, sleep
        self.range = FocusRange(0.0, _MOST_CODE, 1.0, options.nearer_is_higher)
        self.settle_s = options.settle_s

    def set_position(self, position: float) -> None:
        """Write the code.

        Raises:
            DeviceError: the chip does not acknowledge, however often it is tried, or the bus is gone.
        """
        code = int(self.range.nearest(position))
        for attempt in range(1 + self._options.retries):
            try:
                self._bus.write_byte_data(self._options.address, code >> 4, (code & 0xF) << 4)
                return
            except OSError as error:
                if error.errno not in _SPURIOUS or attempt == self._options.retries:
                    raise DeviceError(
                        f"I2C bus {self._options.bus}, address {self._options.address:#04x}: expected the lens to "
                        f"take code {code}, got {error} (try {attempt + 1})"
                    ) from error
            self._sleep(_PAUSE_S)

    def read_position(self) -> float | None:
        """Not told by these chips."""
        return None

    def close(self) -> None:
        """The lens stays where it is."""
        self._bus.close()


def open_actuator(options: DeviceOptions) -> VoiceCoilActuator:
    """The chip on its bus.

    Raises:
        DeviceError: the bus is not there or not permitted.
    """
    try:
        return VoiceCoilActuator(options.i2c, SMBus(options.i2c.bus))
    except OSError as error:
        raise DeviceError(f"/dev/i2c-{options.i2c.bus}: expected an I2C bus that may be used, got {error}") from error
