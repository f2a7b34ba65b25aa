"""From a lens file, a request and an open rig to what a session captures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from defocus_depth.errors import ConfigError
from defocus_depth.optics.lens_file import LensFile
from defocus_depth.types import Transfer

from .devices import CaptureRig
from .plan import FocusScale, SweepRequest, planned_positions
from .scene import SceneRecipe
from .session import session_camera
from .step import StepOptions


@dataclass(frozen=True)
class CaptureRequest:
    """What to capture.

    Attributes:
        lens_file: None: nothing is known of the lens.
        source: free facts for the stacks.
    """

    sweep: SweepRequest
    step: StepOptions
    lens_file: LensFile | None = None
    transfer: Transfer = "srgb"
    temperature_c: float | None = None
    source: dict[str, Any] | None = None


def make_recipe(rig: CaptureRig, request: CaptureRequest) -> SceneRecipe:
    """Where the rig's sweeps stop, and what the stacks will say.

    Raises:
        ConfigError: options out of their range, distances that the lens does not reach, or intrinsics of another shape.
        DeviceError: the camera gives no picture.
    """
    for name, least in (("frames_per_step", 1), ("motion_retries", 0)):
        if (value := getattr(request.step, name)) < least:
            raise ConfigError(f"{name}: expected ≥ {least}, got {value}")
    known = request.lens_file
    curve = known.focus_curve if known and known.focus_curve else rig.actuator.curve
    scale = FocusScale(rig.actuator.range, curve, known.lens if known else None)
    overshoot = request.step.overshoot * scale.range.span
    positions = planned_positions(request.sweep, scale, overshoot)
    camera, origin = session_camera(rig, known.camera if known else None)
    source = {**(request.source or {}), "camera": origin, "frames_per_step": request.step.frames_per_step}
    return SceneRecipe(scale, tuple(positions), camera, request.step, request.transfer, request.temperature_c, source)
