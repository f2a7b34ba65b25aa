"""A focusing camera without hardware: tours procedural scenes, with exact depth beside every picture.

Publishes `image` (rgb8), `camera_info`, `lens_state` and `ground_truth/depth/image` (32FC1 m). Pictures at the first
focus distance are rendered before it starts and kept on disk. `focus_distance_m` can be set at run time: the lens
travels there, and pictures at any other focus are rendered for exactly that focus when they are needed, and kept in
memory: the first time round as fast as the processor allows, then at the full rate.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass, fields

from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile
from rclpy.utilities import try_shutdown
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Header

from ..errors import ConfigError
from ..messages.lens_state import FOCUS_DISTANCE
from ..optics import focus_distance_m, focus_dpt
from ..simulation.focus_motor import FocusMotor
from ..simulation.rigs import RIGS, Rig
from ..simulation.tour import Tour, TourOptions, breathing, cache_folder
from ..types import CameraIntrinsics
from .executable import run_node
from .lens_state_publisher import lens_state_publisher
from .messages.encode import image_message
from .parameter_server import ParameterServer
from .parameters import parameter, parameter_specs
from .quality import overridable

_LEAST_SCALE = 0.5
_LINGER_S = 1.0  # after the last frame, so that it arrives before the process ends
_CACHE = cache_folder() / "simulated_camera"
_DEPTH = 5


@dataclass(frozen=True)
class SimulatedCameraParameters:
    """Every parameter of the simulated camera with its default, description and range.

    Raises:
        ConfigError: a value outside its range.
    """

    rig: str = parameter(
        TourOptions.rig, "Lens, view and depths of the scenes.", choices=tuple(RIGS), applies="at start"
    )
    width_px: int = parameter(
        TourOptions.width_px, "Width of the pictures (px), 4:3.", minimum=64, maximum=4096, applies="at start"
    )
    scenes: int = parameter(TourOptions.scenes, "Scenes to tour.", minimum=1, maximum=1000, applies="at start")
    views_per_scene: int = parameter(
        TourOptions.views_per_scene,
        "Pictures of a scene in a row, while the view swings out and back.",
        minimum=1,
        maximum=1000,
        applies="at start",
    )
    first_seed: int = parameter(
        TourOptions.first_seed, "Number of the first scene.", minimum=0, maximum=900_000, applies="at start"
    )
    samples_per_pixel: int = parameter(
        TourOptions.samples_per_pixel, "Rays per pixel.", minimum=1, maximum=4096, applies="at start"
    )
    rate_hz: float = parameter(30.0, "Pictures per second (Hz).", minimum=0.1, maximum=500.0, applies="at start")
    frames: int = parameter(
        0, "Pictures after which the camera ends; 0: never.", minimum=0, maximum=2**31 - 1, applies="at start"
    )
    wait_for_subscribers: int = parameter(
        0, "Subscriptions to `image` to wait for before the first picture.", minimum=0, maximum=100, applies="at start"
    )
    focus_distance_m: float = parameter(
        0.0, "Focus distance (m), 0: the rig's near focus.", minimum=0.0, maximum=1e4, inf_allowed=True
    )
    travel_dpt_per_s: float = parameter(
        12.0, "Speed of the focus motor (dpt/s).", minimum=0.01, maximum=1e4, applies="at start"
    )
    breathing_per_dpt: float = parameter(
        0.0, "Focus breathing: growth of the image per dioptre of nearer focus.", minimum=-0.2, maximum=0.2
    )
    frame_id: str = parameter("camera_optical_frame", "frame_id of the headers.", applies="at start")

    def __post_init__(self) -> None:
        for spec in parameter_specs(type(self)):
            spec.check(getattr(self, spec.name))

    def tour(self) -> TourOptions:
        """Which scenes are rendered and how."""
        return TourOptions(**{field.name: getattr(self, field.name) for field in fields(TourOptions)})

    def focus_m(self, rig: Rig) -> float:
        """The focus distance asked for (m)."""
        return self.focus_distance_m or rig.near_focus_m


class SimulatedCamera(Node):
    """The camera as a node; `spin` it."""

    def __init__(self) -> None:
        super().__init__("simulated_camera")
        self._moving = False
        self._server = ParameterServer(self, SimulatedCameraParameters, lambda: True, self._accept)
        values = self._server.values
        self._tour = Tour(values.tour(), _CACHE)
        self._first_focus_m = values.focus_m(self._tour.rig)
        self._motor = FocusMotor(focus_dpt(self._first_focus_m, self._tour.rig.lens), values.travel_dpt_per_s)
        self._image = self._publisher(Image, "image")
        self._truth = self._publisher(Image, "ground_truth/depth/image")
        self._camera_info = self._publisher(CameraInfo, "camera_info")
        self._lens_state = lens_state_publisher(self)
        self._published, self._ended_s = 0, math.inf
        self._prepare()
        self._moving = True
        self._timer = self.create_timer(1.0 / values.rate_hz, self._tick)

    def _publisher(self, kind: type, name: str) -> Publisher:
        """Reliable: whoever falls behind gets every picture, if late."""
        return self.create_publisher(kind, name, QoSProfile(depth=_DEPTH), qos_overriding_options=overridable())

    def _prepare(self) -> None:
        self.get_logger().info(f"preparing views at {self._first_focus_m:g} m, once: they are kept in {_CACHE}")
        try:
            self._tour.prepare(self._first_focus_m, self._log_progress)
        except OSError as error:
            raise ConfigError(f"XDG_CACHE_HOME: expected a cache folder to write to: {error}") from error
        self.get_logger().info("ready")

    def _log_progress(self, done: int, total: int) -> None:
        if not self.context.ok():  # a signal came
            raise ExternalShutdownException
        self.get_logger().info(f"rendered {done} of {total} views", throttle_duration_sec=2.0)

    def _accept(self, parameters: SimulatedCameraParameters, names: Collection[str]) -> None:
        if not self._moving:
            return
        rig = self._tour.rig
        target_dpt = focus_dpt(parameters.focus_m(rig), rig.lens)
        rig.blur_gain_px_per_dpt(parameters.focus_m(rig))  # refuses a distance inside the focal length
        if self._scale(parameters, target_dpt) < _LEAST_SCALE:
            raise ConfigError(
                f"breathing_per_dpt: expected an image at least {_LEAST_SCALE} of its size "
                f"at {parameters.focus_m(rig):g} m, got {parameters.breathing_per_dpt} per dpt"
            )
        self._motor.go_to(target_dpt, time.monotonic())

    def _scale(self, parameters: SimulatedCameraParameters, at_dpt: float) -> float:
        """Size of the image relative to that at the first focus."""
        first_dpt = focus_dpt(self._first_focus_m, self._tour.rig.lens)
        return 1 + parameters.breathing_per_dpt * (at_dpt - first_dpt)

    def _tick(self) -> None:
        values = self._server.values
        if values.frames and self._published >= values.frames:
            self._end_after_a_while()
        elif self._published or self._image.get_subscription_count() >= values.wait_for_subscribers:
            self._publish(values)

    def _end_after_a_while(self) -> None:
        self._ended_s = min(self._ended_s, time.monotonic())
        if time.monotonic() - self._ended_s > _LINGER_S:
            try_shutdown()

    def _publish(self, values: SimulatedCameraParameters) -> None:
        state = self._motor.at(time.monotonic())
        distance_m = self._distance_m(state.focus_dpt)
        scale = self._scale(values, state.focus_dpt)
        image, depth_m = self._tour.frame(self._published, distance_m, scale)
        header = Header(stamp=self.get_clock().now().to_msg(), frame_id=values.frame_id)
        self._lens_state.publish(lens_state_message(header, distance_m, state.velocity_dpt_per_s))
        self._camera_info.publish(camera_info_message(header, breathing(self._tour.rig, scale).camera))
        self._image.publish(image_message(header, image, "rgb8"))
        if self._truth.get_subscription_count():
            self._truth.publish(image_message(header, depth_m, "32FC1"))
        self._published += 1

    def _distance_m(self, at_dpt: float) -> float:
        """The focus distance; exactly the first one where the lens stands there, because its pictures are stored."""
        rig = self._tour.rig
        standing = at_dpt == focus_dpt(self._first_focus_m, rig.lens)
        return self._first_focus_m if standing else focus_distance_m(at_dpt, rig.lens)


def lens_state_message(header: Header, distance_m: float, velocity_dpt_per_s: float) -> JointState:
    """Focus distance (m) and its rate (m/s): d(1/F)/dt = −F'·s²; a rate at infinity is written as in dioptres."""
    rate = -velocity_dpt_per_s * (distance_m**2 if math.isfinite(distance_m) else 1.0)
    return JointState(header=header, name=[FOCUS_DISTANCE], position=[distance_m], velocity=[rate])


def camera_info_message(header: Header, camera: CameraIntrinsics) -> CameraInfo:
    """Intrinsics without distortion."""
    fx, fy, cx, cy = camera.fx, camera.fy, camera.cx, camera.cy
    return CameraInfo(
        header=header,
        width=camera.width,
        height=camera.height,
        distortion_model="plumb_bob",
        d=[0.0] * 5,
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def main(args: list[str] | None = None) -> int:
    """Entry point of the executable `simulated_camera`."""
    return run_node(SimulatedCamera, SimulatedCameraParameters, args)


if __name__ == "__main__":
    sys.exit(main())
