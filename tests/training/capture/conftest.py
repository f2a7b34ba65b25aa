"""A small simulated bench, a lens file that knows its curve, and what a session needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from defocus_depth.optics.focus_curve import FocusCurve
from defocus_depth.optics.lens_file import LensFile
from defocus_depth.types import FocalStack
from defocus_training.capture.devices import CaptureRig
from defocus_training.capture.drivers.simulated import SimulatedBench
from defocus_training.capture.drivers.simulated_lens import SimulatedLensOptions
from defocus_training.capture.drivers.simulated_options import SimulatedOptions
from defocus_training.capture.plan import FocusScale, SweepRequest
from defocus_training.capture.recipe import CaptureRequest, make_recipe
from defocus_training.capture.scene import SceneRecipe
from defocus_training.capture.session import SessionHooks, capture_session
from defocus_training.capture.step import StepOptions

WIDTH_PX = 96


def true_curve(options: SimulatedLensOptions) -> FocusCurve:
    """The hidden curve as met by a lens that always comes from the near side, by its own formula."""
    positions = np.linspace(0.0, options.positions - 1.0, 60)
    reached = (positions + 0.5 * options.backlash * (options.positions - 1)) / (options.positions - 1)
    focus = options.far_dpt + (options.near_dpt - options.far_dpt) * (
        reached + 4 * options.bend * reached * (1 - reached)
    )
    return FocusCurve("monotone", tuple(map(float, positions)), tuple(map(float, focus)))


@pytest.fixture
def make_bench() -> Callable[..., SimulatedBench]:
    """A function (disturbance=…, **options) → a small bench."""

    def make(disturbance: Any = None, **options: Any) -> SimulatedBench:
        bench = SimulatedBench(SimulatedOptions(**{"width_px": WIDTH_PX, "samples_per_pixel": 8, **options}))
        if disturbance:
            bench.disturbance = disturbance
        return bench

    return make


@pytest.fixture
def bench(make_bench: Callable[..., SimulatedBench]) -> SimulatedBench:
    return make_bench()


@pytest.fixture
def make_session(tmp_path: Path) -> Callable[..., Any]:
    """A function (bench, scenes=1, metric=True, rig=None, **step options) → iterator of finished stacks in tmp_path."""

    def make(
        bench: SimulatedBench, scenes: int = 1, metric: bool = True, rig: CaptureRig | None = None, **step: Any
    ) -> Any:
        opened = rig or bench.open()
        recipe = session_recipe(bench, opened, metric, **step)
        hooks = SessionHooks(lambda number, name: None, lambda frame, pixels: None)
        return capture_session(opened, recipe, tmp_path, scenes, hooks)

    return make


@pytest.fixture
def recipe_of() -> Callable[..., SceneRecipe]:
    """The function `session_recipe`."""
    return session_recipe


@pytest.fixture
def scale_of() -> Callable[[SimulatedBench], FocusScale]:
    """A function (bench) → its scale, calibrated perfectly."""
    return lambda bench: FocusScale(bench.range, true_curve(bench.lens._options), bench.rig.lens)


@pytest.fixture
def flags_of() -> Callable[[FocalStack], dict[str, tuple[str, ...]]]:
    """A function (stack) → flags by file, of flagged frames."""
    return lambda stack: {frame.file: frame.flags for frame in stack.frames if frame.flags}


def session_recipe(bench: SimulatedBench, rig: CaptureRig, metric: bool = True, **step: Any) -> SceneRecipe:
    """Four steps from 0.4 to 2 m."""
    options = StepOptions(**{"frames_per_step": 2, **step})
    curve = true_curve(bench.lens._options)
    if not metric:
        return make_recipe(rig, CaptureRequest(SweepRequest(count=4), options))
    request = CaptureRequest(
        SweepRequest(near_m=0.4, far_m=2.0, count=4), options, LensFile(bench.rig.lens, focus_curve=curve)
    )
    return make_recipe(rig, request)
