"""The driver `manual`: a person turns the focus ring to the mark that is asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable

from defocus_depth.errors import DeviceError
from defocus_depth.optics.focus_curve import FocusCurve

from ..devices import FocusRange
from .options import DeviceOptions, ManualOptions

_STEP_DPT = 0.01


class ManualActuator:
    """Positions are dioptres of the lens's engraved scale.

    Args:
        ask: shows a sentence and returns once the person has pressed Enter.
    """

    settle_s = 0.0

    def __init__(self, options: ManualOptions, ask: Callable[[str], object]) -> None:
        self._ask = ask
        self.range = FocusRange(0.0, 1 / options.nearest_m, _STEP_DPT)
        self.curve: FocusCurve | None = FocusCurve("affine", (0.0, self.range.most), (0.0, self.range.most))

    def set_position(self, position: float) -> None:
        """Ask, and wait for Enter.

        Raises:
            DeviceError: nobody is there to answer.
        """
        mark = f"{1 / position:.3g} m" if position > 0 else "infinity"
        try:
            self._ask(f"Turn the focus ring, coming from nearer, to {mark}; then press Enter: ")
        except EOFError as error:
            raise DeviceError("focus ring: expected somebody to press Enter, the input has ended") from error

    def read_position(self) -> float | None:
        """A person does not say where the ring stands."""
        return None

    def close(self) -> None:
        """Nothing to give back."""


def open_actuator(options: DeviceOptions) -> ManualActuator:
    """The person at the terminal.

    Raises:
        DeviceError: there is no terminal.
    """
    if not sys.stdin.isatty():
        raise DeviceError("driver manual: expected a terminal to ask at, standard input is none")
    return ManualActuator(options.manual, input)
