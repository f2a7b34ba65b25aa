"""The driver `simulated`: a focusing camera without hardware, in a time of its own that costs no waiting.

It renders procedural scenes through a finite aperture. Its lens's focus curve, play and slowness are hidden from
capture and calibration, so that both can be tested against the truth.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from defocus_depth.optics.focus_curve import FocusCurve
from defocus_depth.simulation.lens_sampling import RayBudget, make_view, render_depth, render_radiance
from defocus_depth.simulation.rigs import Rig, find_rig
from defocus_depth.simulation.scenes import Scene, make_scene
from defocus_depth.simulation.seeds import CAMERA_SEEDS
from defocus_depth.simulation.sensor import SensorOptions, expose
from defocus_depth.simulation.tour import breathing
from defocus_depth.types import CameraIntrinsics, FloatArray

from ..devices import CapturedImage, CaptureRig, FocusRange
from .simulated_lens import SimulatedLens, SimulatedLensOptions
from .simulated_options import SimulatedOptions
from .simulated_target import flat_target

Disturbance = Callable[[float, FloatArray], FloatArray]
_EXPOSURE_S = 0.01


def _undisturbed(now_s: float, radiance: FloatArray) -> FloatArray:
    return radiance


@dataclass
class SimulatedBench:
    """Scene, lens and sensor under one clock.

    Attributes:
        lens: the hidden motor.
        disturbance: (time s, radiance (H, W, 3)) → radiance: somebody bumps the camera, a lamp warms up. May raise
            DeviceError: the camera was unplugged.
    """

    options: SimulatedOptions = field(default_factory=SimulatedOptions)
    lens_options: SimulatedLensOptions | None = None
    sensor: SensorOptions = field(default_factory=SensorOptions)
    disturbance: Disturbance = _undisturbed

    def __post_init__(self) -> None:
        hidden = self.lens_options or SimulatedLensOptions(
            backlash=self.options.backlash, settle_s=self.options.settle_s
        )
        rig = find_rig(self.options.rig)
        self.rig = rig.at_size(self.options.width_px, self.options.width_px * rig.camera.height // rig.camera.width)
        self.lens = SimulatedLens(hidden)
        self.range, self.settle_s = hidden.range, hidden.settle_s
        self._now_s, self._pictures = 0.0, 0
        self._epoch_ns = time.time_ns()
        self._rendered: tuple[float, FloatArray] | None = None
        self.show_scene(0)

    def open(self) -> CaptureRig:
        """A rig for the sweep: actuator, camera and clock are this bench."""
        return CaptureRig(
            _BenchActuator(self), _BenchCamera(self), self, true_depth_m=self.true_depth_m, show_scene=self.show_scene
        )

    def show_scene(self, number: int) -> None:
        """Move the robot: `number` counts from the options' seed, or through their targets."""
        targets_m = self.options.targets_m
        if targets_m:
            self.show(flat_target(targets_m[number % len(targets_m)], self.rig.camera.fx))
        else:
            self.show(make_scene(self.rig, CAMERA_SEEDS.start + self.options.seed + number))

    def show(self, scene: Scene) -> None:
        """Put another scene in front of the camera."""
        self.scene: Scene = scene
        self._rendered = None

    def now_s(self) -> float:
        """Simulated time."""
        return self._now_s

    def sleep(self, seconds: float) -> None:
        """Let simulated time pass."""
        self._now_s += max(0.0, seconds)

    def true_focus_dpt(self) -> float:
        """Where the lens really is focused now."""
        return self.lens.focus_dpt(self._now_s)

    def true_depth_m(self) -> FloatArray:
        """Depth z (m) of every pixel of a picture taken now, float32 (H, W)."""
        return render_depth(self.scene.tables(), self._breathing_rig(self.true_focus_dpt()).camera)

    def picture(self) -> CapturedImage:
        """Wait for the next picture and take it."""
        period_s = 1 / self.options.rate_hz
        self._now_s = (np.floor(self._now_s / period_s + 1e-6) + 1) * period_s
        self._pictures += 1
        radiance = self.disturbance(self._now_s, self._radiance())
        pixels = expose(np.asarray(radiance, np.float32), self.sensor, seed=self._pictures)
        stamp_ns = self._epoch_ns + round(self._now_s * 1e9)
        return CapturedImage(pixels, stamp_ns, self._now_s, _EXPOSURE_S, 1.0)

    def _breathing_rig(self, focus_dpt: float) -> Rig:
        return breathing(self.rig, 1 + self.options.breathing_per_dpt * focus_dpt)

    def _radiance(self) -> FloatArray:
        focus = self.true_focus_dpt()
        if self._rendered is None or self._rendered[0] != focus:
            camera = self._breathing_rig(focus).camera
            # The lens may focus beyond infinity, which rigs refuse: the view is made from its dioptres.
            gain = self.rig.blur_gain_px_per_dpt(np.inf) / (1 - (self.rig.lens.focal_length_m or 0.0) * focus)
            budget = RayBudget(self.options.samples_per_pixel, seed=self._pictures)
            radiance = render_radiance(self.scene.tables(), camera, make_view(camera, gain, focus), budget)
            self._rendered = focus, radiance * np.float32(self.scene.exposure)
        return self._rendered[1]


class _BenchActuator:
    """The bench's lens as an actuator: it says where it was sent, at once."""

    curve: FocusCurve | None = None

    def __init__(self, bench: SimulatedBench) -> None:
        self._bench = bench
        self.range: FocusRange = bench.range
        self.settle_s = bench.settle_s

    def set_position(self, position: float) -> None:
        self._bench.lens.go_to(position, self._bench.now_s())

    def read_position(self) -> float | None:
        return self._bench.lens.commanded

    def close(self) -> None:
        """Nothing to give back."""


class _BenchCamera:
    """The bench's camera."""

    def __init__(self, bench: SimulatedBench) -> None:
        self._bench = bench

    def next_image(self) -> CapturedImage:
        return self._bench.picture()

    def intrinsics(self) -> CameraIntrinsics | None:
        return self._bench.rig.camera

    def close(self) -> None:
        """Nothing to give back."""
