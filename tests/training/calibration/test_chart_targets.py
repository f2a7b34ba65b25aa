"""Calibration with the printed chart at distances and tilts nobody told, seen by the simulated camera."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.simulation.scene_tables import build_atlas
from defocus_depth.simulation.scenes import Scene
from defocus_depth.simulation.shapes import Light, Primitive, Shape, Surface
from defocus_training.calibration.calibration import CalibrationOptions, calibrate_lens
from defocus_training.calibration.chart import Chart
from defocus_training.calibration.targets import targets_by_chart
from defocus_training.capture.drivers.simulated import SimulatedBench
from defocus_training.capture.drivers.simulated_options import SimulatedOptions
from defocus_training.capture.plan import SweepRequest
from defocus_training.capture.recipe import CaptureRequest, make_recipe
from defocus_training.capture.session import SessionHooks, capture_session
from defocus_training.capture.step import StepOptions

CHART = Chart()
TEXELS = 512
VIEWS = [((0.0, 0.0, 0.75), (0.0, 0.3, 0.0)), ((0.0, 0.0, 1.4), (-0.25, -0.2, 0.0))]


def chart_on_a_wall(centre_m: tuple[float, float, float], turn: tuple[float, float, float]) -> Scene:
    """The printed page, tilted, before a grey wall."""
    width_m, height_m = CHART.page_m
    texels_per_m = TEXELS / width_m
    page = CHART.page(4 * texels_per_m)
    page = cv2.resize(page, (TEXELS, round(TEXELS * height_m / width_m)), interpolation=cv2.INTER_AREA)
    texture = np.ones((TEXELS, TEXELS), np.float32)
    texture[: page.shape[0]] = (page / 255) ** 2.2
    middle = 0.5 * texels_per_m * np.array(CHART.page_m)
    surface = Surface(0, np.ones(3), texels_per_m, middle)
    axes = cv2.Rodrigues(np.array(turn))[0].T
    half_size_m = np.array([width_m / 2, height_m / 2, 0.0])
    sheet = Primitive(Shape.SHEET, np.array(centre_m), axes, half_size_m, surface)
    endless = np.array([np.inf, np.inf, 0.0])
    wall = Primitive(Shape.SHEET, np.array([0.0, 0.0, 2.9]), np.eye(3), endless, Surface(-1, np.full(3, 0.2)))
    light = Light(np.array([0.0, 0.0, -1.0]), np.array([0.0, -1.0, 0.0]), np.full(3, 0.5), np.full(3, 0.7))
    return Scene("chart", 0, (sheet, wall), light, build_atlas([np.repeat(texture[..., None], 3, axis=2)]))


@pytest.mark.slow
def test_two_tilted_views_tell_distance_focus_and_gain(tmp_path: Path):
    bench = SimulatedBench(SimulatedOptions(width_px=400, samples_per_pixel=16))
    rig = bench.open()
    rig.show_scene = lambda number: bench.show(chart_on_a_wall(*VIEWS[number]))
    recipe = make_recipe(rig, CaptureRequest(SweepRequest(count=7), StepOptions(frames_per_step=4)))
    hooks = SessionHooks(lambda number, name: None, lambda frame, pixels: None)
    stacks = list(capture_session(rig, recipe, tmp_path, 2, hooks))
    found = targets_by_chart(stacks, CHART, bench.rig.camera)
    assert found.distances_m == pytest.approx([0.75, 1.4], rel=0.01) and found.reprojection_error_px is None
    calibration = calibrate_lens(found.targets, CalibrationOptions(focal_length_m=8e-3))
    assert calibration.gain_px_per_dpt == pytest.approx(bench.rig.blur_gain_px_per_dpt(np.inf), rel=0.03)
    lens = bench.lens._options
    share = np.minimum(1, calibration.positions / lens.range.span + 0.5 * lens.backlash)
    true_dpt = lens.far_dpt + (lens.near_dpt - lens.far_dpt) * (share + 4 * lens.bend * share * (1 - share))
    told = np.array([calibration.curve.focus_dpt(float(position)) for position in calibration.positions])
    usual = true_dpt > 0.7  # the farther view is at 1.4 m
    assert told[usual] == pytest.approx(true_dpt[usual], rel=0.02)
    with pytest.raises(ConfigError, match="expected at least 4 views of the chart"):
        targets_by_chart(stacks, CHART, None)
