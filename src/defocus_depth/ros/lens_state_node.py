"""`lens_state` from a motor's position: for lenses whose driver tells encoder counts and not metres.

Subscribes to `motor_state` (sensor_msgs/JointState, the joint named by a parameter) and `motor_position`
(std_msgs/Float64); publishes `lens_state` through the focus_curve of a lens file, with the stamp of `motor_state` where
it has one. A motor that gives no velocity (or NaN) counts as travelling until its position has not changed for
`settle_s`.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.time import Time
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64

from ..errors import ConfigError, OpticsError
from ..messages.lens_state import stamp_ns
from ..optics import focus_distance_m
from ..optics.lens_file import LensFile, find_lens, read_lens
from .executable import run_node
from .lens_state_publisher import LensStatePublisher
from .parameter_server import ParameterServer
from .parameters import parameter, parameter_specs
from .throttle import Throttle

_DEPTH = 50
_CHECK_S = 0.02


@dataclass(frozen=True)
class LensStateNodeParameters:
    """Every parameter of the lens state node with its default, description and range.

    Raises:
        ConfigError: a value outside its range.
    """

    lens_file: str = parameter("", "Lens YAML with a focus_curve, or the name of one in config/lenses.")
    joint: str = parameter("focus", "Name of the focus joint in motor_state.")
    settle_s: float = parameter(
        0.1,
        "Time (s) without a change after which a motor that tells no velocity rests.",
        minimum=0.0,
        maximum=60.0,
    )
    tolerance: float = parameter(
        0.0, "Change of position (motor's unit) that does not count as travel.", minimum=0.0, maximum=1e9
    )

    def __post_init__(self) -> None:
        for spec in parameter_specs(type(self)):
            spec.check(getattr(self, spec.name))


def calibrated_lens(parameters: LensStateNodeParameters) -> LensFile:
    """The lens file.

    Raises:
        ConfigError: it cannot be read, or holds no focus_curve.
    """
    if not parameters.lens_file:
        raise ConfigError("lens_file: expected a lens YAML with a focus_curve, got nothing")
    lens_file = read_lens(find_lens(parameters.lens_file))
    if lens_file.focus_curve is None:
        raise ConfigError(f"lens_file {parameters.lens_file}: focus_curve: expected one, got none")
    return lens_file


def distance_at(lens_file: LensFile, position: float) -> float:
    """Focus distance (m) at a motor position; inf from infinity on.

    Raises:
        OpticsError: outside the curve's samples, or not finite.
    """
    assert lens_file.focus_curve is not None
    return focus_distance_m(max(0.0, lens_file.focus_curve.focus_dpt(position)), lens_file.lens)


@dataclass(frozen=True)
class MotorPosition:
    """Where a motor was (its unit) and when, and when the node was told, by the node's clock (ns)."""

    value: float
    stamp_ns: int
    arrived_ns: int

    def still_there_at(self, now_ns: int) -> MotorPosition:
        """The same position later, by the clock of its stamp: a bag's may be long past."""
        return MotorPosition(self.value, max(self.stamp_ns + now_ns - self.arrived_ns, 0), now_ns)


class TravelDetector:
    """Whether a motor that only tells its position is travelling."""

    def __init__(self) -> None:
        self._position = self._changed_s = math.inf

    def travelling(self, position: float, now_s: float, settle_s: float, tolerance: float) -> bool:
        """Take a position in; True while it has changed by more than `tolerance` within the last `settle_s`.

        The first position counts as a change: nothing is known of what was before.
        """
        if not abs(position - self._position) <= tolerance:
            self._position, self._changed_s = position, now_s
        return now_s - self._changed_s < settle_s


class LensStateNode(Node):
    """The node; `spin` it."""

    def __init__(self) -> None:
        super().__init__("lens_state")
        self._server = ParameterServer(self, LensStateNodeParameters, lambda: False, self._accept)
        self._lens = calibrated_lens(self._server.values)
        self._publisher = LensStatePublisher(self)
        self._detector, self._throttle = TravelDetector(), Throttle()
        self._waiting: MotorPosition | None = None
        self._last_m = math.nan  # known last, m; while nobody knows where the lens is, it counts as under way
        self.create_subscription(JointState, "motor_state", self._on_state, QoSProfile(depth=_DEPTH))
        self.create_subscription(Float64, "motor_position", self._on_position, QoSProfile(depth=_DEPTH))
        self.create_timer(_CHECK_S, self._check)

    def _accept(self, parameters: LensStateNodeParameters, names: Collection[str]) -> None:
        if "lens_file" in names:
            self._lens = calibrated_lens(parameters)

    def _on_state(self, message: JointState) -> None:
        joint = self._server.values.joint
        if joint not in message.name or len(message.position) != len(message.name):
            self._warn(f"motor_state: expected a position of joint {joint!r}, got {list(message.name)}")
            return
        index = list(message.name).index(joint)
        velocity = message.velocity[index] if len(message.velocity) == len(message.name) else math.nan
        self._told(self._arrived(message.position[index], stamp_ns(message.header)), velocity)

    def _on_position(self, message: Float64) -> None:
        self._told(self._arrived(message.data, 0), math.nan)

    def _told(self, position: MotorPosition, velocity: float) -> None:
        """A position and a velocity: either is NaN where the driver does not know it."""
        if math.isnan(velocity):
            self._take(position)
        else:
            self._waiting = None
            self._publish(position, velocity != 0.0)

    def _arrived(self, value: float, said_ns: int) -> MotorPosition:
        """A position as of its message's stamp, or of now where that says nothing."""
        return MotorPosition(value, said_ns if said_ns > 0 else self._now_ns(), self._now_ns())

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    def _take(self, position: MotorPosition) -> None:
        """A position without velocity: published at once, and again when it has not changed for a while."""
        travelling = self._travelling(position.value)
        self._waiting = position if travelling else None
        self._publish(position, travelling)

    def _check(self) -> None:
        if self._waiting is not None and not self._travelling(self._waiting.value):
            position, self._waiting = self._waiting, None
            self._publish(position.still_there_at(self._now_ns()), False)

    def _travelling(self, position: float) -> bool:
        values = self._server.values
        return self._detector.travelling(position, time.monotonic(), values.settle_s, values.tolerance)

    def _publish(self, position: MotorPosition, travelling: bool) -> None:
        try:
            distance_m = distance_at(self._lens, position.value)
        except OpticsError as error:
            self._warn(f"motor position: {error}")
            self._publisher.moving(self._last_m, Time(nanoseconds=position.stamp_ns).to_msg())
            return
        self._last_m = distance_m
        tell = self._publisher.moving if travelling else self._publisher.at_rest
        tell(distance_m, Time(nanoseconds=position.stamp_ns).to_msg())

    def _warn(self, reason: str) -> None:
        if self._throttle.passes(reason):
            self.get_logger().warning(reason)


def main(args: list[str] | None = None) -> int:
    """Entry point of the executable `lens_state_node`."""
    return run_node(LensStateNode, LensStateNodeParameters, args)


if __name__ == "__main__":
    sys.exit(main())
