"""The driver `ros_parameter`: a camera node moves the focus when one of its parameters is set."""

from __future__ import annotations

import logging
from typing import Any

from defocus_depth.errors import ConfigError
from defocus_depth.optics.focus_curve import FocusCurve
from defocus_depth.ros.camera_client import RemoteParameters, RosSession

from ..devices import FocusRange
from .options import DeviceOptions, RosOptions

_LOG = logging.getLogger(__name__)
_IN_DIOPTRES = "LensPosition"  # libcamera's, through camera_ros
_MOST_DPT = 10.0
_CONTINUOUS_STEPS = 1000


class RosParameterActuator:
    """Positions are the parameter's values; what is read back is what the node accepted."""

    def __init__(self, options: RosOptions, session: RosSession) -> None:
        """Find the parameter, and set the locks.

        Raises:
            DeviceError: the node does not answer, or refuses; what was changed is restored.
            ConfigError: a lock that is not NAME=VALUE, or a parameter without a range.
        """
        self._options, self._session = options, session
        self._parameters = RemoteParameters(session, options.node)
        self.settle_s = options.settle_s
        in_dioptres = options.dioptres or options.parameter == _IN_DIOPTRES
        try:
            for name, value in map(parsed_lock, options.locks):
                self._parameters.set(name, value)
            whole = isinstance(self._parameters.get(options.parameter), int)
            self.range = _range(options, self._parameters.describe(options.parameter), whole, in_dioptres)
        except BaseException:
            self.close()
            raise
        ends = (self.range.least, self.range.most)
        self.curve: FocusCurve | None = FocusCurve("affine", ends, ends) if in_dioptres else None

    def set_position(self, position: float) -> None:
        """Set the parameter. Raises DeviceError when the node refuses or does not answer."""
        self._parameters.set(self._options.parameter, self.range.nearest(position))

    def read_position(self) -> float | None:
        """The parameter's value. Raises DeviceError when the node does not answer."""
        return float(self._parameters.get(self._options.parameter))

    def close(self) -> None:
        """Restore focus and locks."""
        for problem in self._parameters.restore():
            _LOG.warning("not restored: %s", problem)
        self._session.close()


def parsed_lock(lock: str) -> tuple[str, Any]:
    """Name and value of NAME=VALUE; a value is true, false, a number or text.

    Raises:
        ConfigError: there is no "=".
    """
    name, equals, text = lock.partition("=")
    if not equals or not name:
        raise ConfigError(f"ros.locks: expected NAME=VALUE, got {lock!r}")
    if text.lower() in ("true", "false"):
        return name, text.lower() == "true"
    for kind in (int, float):
        try:
            return name, kind(text)
        except ValueError:
            continue
    return name, text


def _range(options: RosOptions, descriptor: Any, whole: bool, in_dioptres: bool) -> FocusRange:
    declared = [*descriptor.integer_range, *descriptor.floating_point_range]
    if options.most > options.least:
        least, most, step = options.least, options.most, 0.0
    elif declared:
        least, most, step = float(declared[0].from_value), float(declared[0].to_value), float(declared[0].step)
    elif in_dioptres:
        least, most, step = 0.0, _MOST_DPT, 0.0
    else:
        raise ConfigError(
            f"{options.node} {options.parameter}: expected a declared range, or ros.least and ros.most, got neither"
        )
    grid = step or (1.0 if whole else (most - least) / _CONTINUOUS_STEPS)
    return FocusRange(least, most, grid, options.nearer_is_higher or in_dioptres)


def open_actuator(options: DeviceOptions) -> RosParameterActuator:
    """The parameter of the node.

    Raises:
        DeviceError, ConfigError: see `RosParameterActuator`.
    """
    return RosParameterActuator(options.ros, RosSession("defocus_focus", options.ros.timeout_s))
