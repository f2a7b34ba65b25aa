"""From a lens file, a request and an open rig to what a session captures."""

from __future__ import annotations

import math
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

_RANGES = {
    "frames_per_step": (1, 256),
    "discard_frames": (0, 100),
    "overshoot": (0, 1),
    "settle_s": (0, 60),
    "readback_timeout_s": (0, 600),
    "motion_retries": (0, 100),
}


@dataclass(frozen=True)
class CaptureRequest:
    """What to capture.

    Attributes:
        lens_file: None: nothing is known of the lens.
        transfer: of the camera's values; None: as the camera says.
        source: free facts for the stacks.
    """

    sweep: SweepRequest
    step: StepOptions
    lens_file: LensFile | None = None
    transfer: Transfer | None = None
    temperature_c: float | None = None
    source: dict[str, Any] | None = None


def make_recipe(rig: CaptureRig, request: CaptureRequest) -> SceneRecipe:
    """Where the rig's sweeps stop, and what the stacks will say.

    Raises:
        ConfigError: options out of their range, distances that the lens does not reach, or intrinsics of another shape.
        DeviceError: the camera gives no picture.
    """
    for name, (least, most) in _RANGES.items():
        if not least <= (value := getattr(request.step, name)) <= most:
            raise ConfigError(f"{name}: expected {least}..{most}, got {value}")
    if request.temperature_c is not None and not math.isfinite(request.temperature_c):
        raise ConfigError(f"temperature_c: expected a finite number, got {request.temperature_c}")
    known = request.lens_file
    curve = known.focus_curve if known and known.focus_curve else rig.actuator.curve
    scale = FocusScale(rig.actuator.range, curve, known.lens if known else None)
    overshoot = request.step.overshoot * scale.range.span
    positions = planned_positions(request.sweep, scale, overshoot)
    picture = rig.camera.next_image()
    camera, origin = session_camera(rig, known.camera if known else None, picture)
    source = {**(request.source or {}), "camera": origin, "frames_per_step": request.step.frames_per_step}
    transfer = request.transfer or picture.transfer
    return SceneRecipe(scale, tuple(positions), camera, request.step, transfer, request.temperature_c, source)
