"""Capture as a ROS node: ~/capture takes one focal stack and answers when it is done, ~/cancel ends it.

`lens_state` is published during the sweep, so that a bag recorded meanwhile can be used too. A capture that was
cancelled or failed goes on where it ended with the next ~/capture, as long as the view is the same.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, get_args

from defocus_depth.errors import ConfigError, DeviceError
from defocus_depth.optics.lens_file import find_lens, read_lens
from defocus_depth.ros.executable import run_node
from defocus_depth.ros.job_node import JobContext, JobNode
from defocus_depth.ros.parameters import parameter, parameter_specs
from defocus_depth.share import user_path
from defocus_depth.stacks.schema import STACK_FILE
from defocus_depth.types import CameraIntrinsics, FocalStack, Transfer

from .bag import write_stack_bag
from .devices import CameraSource, CapturedImage, CaptureRig
from .drivers.opening import open_rig
from .drivers.options import CameraName, DeviceOptions, DriverName, I2cOptions, RosOptions, V4l2Options
from .drivers.simulated_options import SimulatedOptions
from .plan import SweepRequest
from .recipe import CaptureRequest, make_recipe
from .session import SessionHooks, capture_session
from .step import StepOptions, move


@dataclass(frozen=True)
class CaptureNodeParameters:
    """Every parameter of the capture node with its default, description and range; 0 or "" mean "not given".

    Raises:
        ConfigError: a value outside its range.
    """

    out: str = parameter("focal_stacks", "Folder that the stacks are written into, scene_000 and so on.")
    driver: str = parameter(DeviceOptions.driver, "What moves the focus.", choices=get_args(DriverName)[:-1])
    camera: str = parameter(DeviceOptions.camera, "Where pictures come from.", choices=get_args(CameraName))
    lens_file: str = parameter("", "Lens YAML with a focus_curve, or the name of one in config/lenses; empty: none.")
    near_m: float = parameter(0.0, "Nearest focus distance (m); 0: the lens's.", minimum=0.0, maximum=1e4)
    far_m: float = parameter(
        0.0, "Farthest focus distance (m); 0: the lens's.", minimum=0.0, maximum=1e6, inf_allowed=True
    )
    count: int = parameter(SweepRequest.count, "Number of focus steps.", minimum=2, maximum=200)
    frames_per_step: int = parameter(
        StepOptions.frames_per_step, "Pictures averaged for each step.", minimum=1, maximum=256
    )
    discard_frames: int = parameter(
        StepOptions.discard_frames, "Pictures thrown away after each move.", minimum=0, maximum=100
    )
    overshoot: float = parameter(
        StepOptions.overshoot,
        "How far beyond the near end a sweep starts (share of the range).",
        minimum=0,
        maximum=0.5,
    )
    settle_s: float = parameter(0.0, "Time to wait after each move (s); 0: the driver's.", minimum=0, maximum=60)
    transfer: str = parameter(
        "auto",
        "Transfer function of the camera's values; auto: linear for mono16 and Bayer pictures, else srgb.",
        choices=("auto", *get_args(Transfer)),
    )
    bag: bool = parameter(False, "Also write each stack as NAME.mcap.")
    device: str = parameter(V4l2Options.device, "Camera device of v4l2.")
    width_px: int = parameter(V4l2Options.width_px, "Width of v4l2's pictures (px).", minimum=16, maximum=16384)
    height_px: int = parameter(V4l2Options.height_px, "Height of v4l2's pictures (px).", minimum=16, maximum=16384)
    camera_node: str = parameter(RosOptions.node, "Camera node of ros_parameter.")
    focus_parameter: str = parameter(RosOptions.parameter, "Its parameter that moves the focus.")
    focus_least: float = parameter(
        RosOptions.least, "Least value of it, where the node declares no range.", minimum=-1e9, maximum=1e9
    )
    focus_most: float = parameter(
        RosOptions.most, "Greatest value of it, where the node declares no range.", minimum=-1e9, maximum=1e9
    )
    nearer_is_higher: bool = parameter(True, "Whether higher values of the actuator focus nearer.")
    locks: str = parameter("", "Its parameters to set while capturing, NAME=VALUE separated by spaces.")
    timeout_s: float = parameter(RosOptions.timeout_s, "Longest wait for a picture (s).", minimum=0.1, maximum=600)
    i2c_bus: int = parameter(I2cOptions.bus, "Bus of i2c_vcm.", minimum=0, maximum=255)
    i2c_address: int = parameter(I2cOptions.address, "Address of i2c_vcm.", minimum=3, maximum=119)
    simulated_width_px: int = parameter(
        SimulatedOptions.width_px, "Width of simulated pictures (px).", minimum=32, maximum=4096
    )

    def __post_init__(self) -> None:
        for spec in parameter_specs(type(self)):
            spec.check(getattr(self, spec.name))

    def devices(self, image: str, camera_info: str) -> DeviceOptions:
        """The devices, with topics resolved."""
        return DeviceOptions(
            driver=self.driver,  # type: ignore[arg-type]
            camera=self.camera,  # type: ignore[arg-type]
            simulated=SimulatedOptions(width_px=self.simulated_width_px),
            v4l2=V4l2Options(
                self.device,
                self.width_px,
                self.height_px,
                timeout_s=self.timeout_s,
                nearer_is_higher=self.nearer_is_higher,
            ),
            ros=RosOptions(
                image,
                camera_info,
                self.camera_node,
                self.focus_parameter,
                self.focus_least,
                self.focus_most,
                locks=tuple(self.locks.split()),
                timeout_s=self.timeout_s,
                nearer_is_higher=self.nearer_is_higher,
            ),
            i2c=I2cOptions(self.i2c_bus, self.i2c_address, nearer_is_higher=self.nearer_is_higher),
        )

    def request(self) -> CaptureRequest:
        """The sweep."""
        sweep = SweepRequest(self.near_m or None, self.far_m or None, self.count)
        step = StepOptions(self.frames_per_step, self.discard_frames, self.overshoot, self.settle_s)
        lens_file = read_lens(find_lens(self.lens_file)) if self.lens_file else None
        transfer: Any = None if self.transfer == "auto" else self.transfer
        return CaptureRequest(sweep, step, lens_file, transfer, source={"driver": self.driver, "node": True})


class CancellableCamera:
    """A camera that fails once somebody asked for the end."""

    def __init__(self, camera: CameraSource, cancelled: Event) -> None:
        self._camera, self._cancelled = camera, cancelled

    def next_image(self) -> CapturedImage:
        """The next picture. Raises DeviceError after a cancel, and as the camera does."""
        if self._cancelled.is_set():
            raise DeviceError("capture: cancelled; the frames so far are kept")
        return self._camera.next_image()

    def intrinsics(self) -> CameraIntrinsics | None:
        """The camera's."""
        return self._camera.intrinsics()

    def close(self) -> None:
        """The camera's."""
        self._camera.close()


def capture_one(parameters: CaptureNodeParameters, context: JobContext) -> str:
    """Take the next stack that is missing in the folder; what was done, in words.

    Raises:
        DefocusDepthError: devices, lens file or disk refuse, or it was cancelled.
    """
    out = user_path(parameters.out)
    with open_rig(parameters.devices(context.topic("image"), context.topic("camera_info"))) as rig:
        home = rig.actuator.read_position()
        rig.camera = CancellableCamera(rig.camera, context.cancelled)
        try:
            stack = _captured(rig, parameters, context, out)
        finally:
            _go_home(rig, home)
    if parameters.bag:
        write_stack_bag(stack.path.with_suffix(".mcap"), stack)
    flags = sorted({flag for frame in stack.frames for flag in frame.flags})
    return f"{stack.path}: {len(stack.frames)} frames" + (f", flagged: {', '.join(flags)}" if flags else "")


def _go_home(rig: CaptureRig, home: float | None) -> None:
    """Back to where the lens stood, and say so: drivers would restore it without a word."""
    if home is None:
        return
    with suppress(DeviceError, RuntimeError):  # RuntimeError: a signal has ended ROS here; it stays "under way" then
        move(rig, home, StepOptions())


def _captured(rig: CaptureRig, parameters: CaptureNodeParameters, context: JobContext, out: Path) -> FocalStack:
    recipe = make_recipe(rig, parameters.request())

    least, most = sorted(recipe.scale.ends())

    def on_lens(moving: bool, position: float) -> None:
        known = min(max(position, least), most)  # beyond the curve's samples its distance is not known
        tell = context.lens_state.moving if moving or known != position else context.lens_state.at_rest
        tell(recipe.scale.distance_m(known))

    rig.on_lens = on_lens
    scenes = _first_missing(out) + 1
    hooks = SessionHooks(
        lambda number, name: context.say(f"{name}: {len(recipe.steps)} steps"),
        lambda frame, pixels: context.say(f"step {frame.step + 1} of {len(recipe.steps)}"),
    )
    stacks = list(capture_session(rig, recipe, out, scenes, hooks))
    if not stacks:
        raise ConfigError(f"{out}: expected a scene that is missing, found none")
    return stacks[-1]


def _first_missing(out: Path) -> int:
    number = 0
    while (out / f"scene_{number:03d}" / STACK_FILE).exists():
        number += 1
    return number


def main(args: list[str] | None = None) -> int:
    """Entry point of the executable `capture_node`."""
    return run_node(
        lambda: JobNode("capture", "capture", CaptureNodeParameters, capture_one), CaptureNodeParameters, args
    )


if __name__ == "__main__":
    sys.exit(main())
