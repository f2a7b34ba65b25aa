"""`defocus_training calibrate`: focus scale, blur gain, point spread function and intrinsics of the robot's lens."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from rich.table import Table
from tyro.conf import OmitArgPrefixes

from defocus_depth.commands.checks.lens import calibration_check
from defocus_depth.commands.dispatch import EXIT_OK, write_json
from defocus_depth.errors import ConfigError
from defocus_depth.optics.lens_file import read_lens, write_lens
from defocus_depth.stacks import find_stacks, read_stack
from defocus_depth.types import CameraIntrinsics, FocalStack, Transfer

from ..calibration.calibration import Calibration, CalibrationOptions, calibrate_lens
from ..calibration.chart import Chart, write_chart
from ..calibration.lens_yaml import CalibrationFacts, lens_file_of
from ..calibration.report import write_report
from ..calibration.targets import Region, targets_at, targets_by_chart
from ..capture.drivers.opening import open_rig
from ..capture.drivers.options import DeviceOptions
from ..capture.plan import SweepRequest
from ..capture.recipe import CaptureRequest, make_recipe
from ..capture.run import RunOptions, run_session
from ..capture.step import StepOptions

_DISTANCES = "target_distances_m"


@dataclass(frozen=True, kw_only=True)
class Options(DeviceOptions):
    """Which target is looked at, and what is written."""

    out: Path | None = None
    """Lens YAML to write; a picture report goes beside it as .png."""
    make_chart: Path | None = None
    """Write the printable chart (PDF) to this file, and nothing else."""
    target_distances_m: tuple[float, ...] = ()
    """Distances (m) from the lens to a flat textured target that fills the picture, one stack each."""
    chart_views: int = 0
    """Instead of known distances: number of stacks of the printed chart, near to far and tilted differently."""
    chart: Chart = field(default_factory=Chart)
    stacks: Path | None = None
    """Folder of the target's stacks; stacks that are there are used, missing ones captured. Default: OUT without
    .yaml, then _stacks."""
    region: Region = (0.0, 0.0, 1.0, 1.0)
    """Left, top, right, bottom of the target in shares of the picture, with known distances."""
    intrinsics: Path | None = None
    """Lens YAML with known intrinsics (camera); else they are the camera's own, or the chart's views tell them."""
    positions: int = 12
    """Number of focus positions that each stack visits, over the lens's whole range."""
    near_focus_m: float | None = None
    """Usual focus of the lens (m), nearer than the scenes; the nearest calibrated one if not given."""
    temperature_c: float | None = None
    """Temperature of the lens (degrees Celsius)."""
    transfer: Transfer | None = None
    """Transfer function of the camera's values; if not given, linear for mono16 and Bayer pictures, else srgb."""
    pause_s: float | None = None
    """Time (s) to move the target before each stack; if not given, press Enter."""
    step: Annotated[StepOptions, OmitArgPrefixes] = field(default_factory=lambda: StepOptions(frames_per_step=8))
    fit: Annotated[CalibrationOptions, OmitArgPrefixes] = field(default_factory=CalibrationOptions)
    json: Path | None = None
    """Write the figures to this file."""


def run(options: Options) -> int:
    """Calibrate, or make the chart."""
    console = Console(stderr=True)
    if options.make_chart:
        write_chart(options.make_chart, options.chart)
        console.print(f"{options.make_chart}: print it at 100 %, glue it onto something flat, measure a square")
        return EXIT_OK
    _check(options)
    assert options.out is not None
    stacks = _stacks(options, console)
    calibration, facts = _calibrated(options, stacks)
    lens_file = lens_file_of(calibration, facts)
    write_lens(options.out, lens_file)
    write_report(options.out.with_suffix(".png"), calibration, options.out.stem)
    figures = _figures(calibration)
    _print(console, options.out, figures)
    verdict = calibration_check(lens_file)
    if verdict.status == "warning":
        console.print(f"warning: {verdict.found}: {verdict.fix}")
    write_json(
        options.json, {**figures, "lens_file": str(options.out), "stacks": [str(stack.path) for stack in stacks]}
    )
    return EXIT_OK


def _check(options: Options) -> None:
    if options.out is None:
        raise ConfigError("--out: expected the lens YAML to write (or --make-chart FILE.pdf), got nothing")
    if bool(options.target_distances_m) == bool(options.chart_views) and options.stacks is None:
        raise ConfigError("targets: expected either --target-distances-m D D … or --chart-views N")
    if len(options.target_distances_m) == 1 or options.chart_views == 1:
        raise ConfigError("targets: expected 2 or more distances or chart views, got 1")
    if options.chart_views and options.driver == "simulated":
        raise ConfigError("--chart-views: expected a real camera; the simulated one has --target-distances-m")
    if not all(0 < distance < inf for distance in options.target_distances_m):
        raise ConfigError(f"--target-distances-m: expected finite numbers > 0, got {list(options.target_distances_m)}")


def _stacks(options: Options, console: Console) -> list[FocalStack]:
    """The target's stacks, in the order of their distances; missing ones are captured."""
    folder = _folder(options)
    wanted = len(options.target_distances_m) or options.chart_views
    if folder.is_dir():
        _check_distances(options.target_distances_m, folder)
    if wanted and (not folder.is_dir() or len(find_stacks(folder)) < wanted):
        _capture(options, console, folder, wanted)
    return [read_stack(path) for path in find_stacks(folder)]


def _check_distances(asked_m: Sequence[float], folder: Path) -> None:
    """Stacks that were taken at other distances would calibrate another lens."""
    for path in find_stacks(folder) if asked_m else ():
        taken_m = read_stack(path).source.get(_DISTANCES) or list(asked_m)
        if list(asked_m) != taken_m:
            raise ConfigError(
                f"--target-distances-m: expected {taken_m}, as {path} was taken, got {list(asked_m)}: to use these "
                f"stacks give --stacks {folder} without distances, to take new ones choose another --out"
            )


def _folder(options: Options) -> Path:
    assert options.out is not None
    return options.stacks or options.out.with_name(f"{options.out.stem}_stacks")


def _capture(options: Options, console: Console, folder: Path, wanted: int) -> None:
    if options.target_distances_m:
        targets = [f"put the target at {distance:g} m" for distance in options.target_distances_m]
    else:
        targets = ["show the chart, each time elsewhere: near to far, tilted, off the middle"] * wanted
    simulated = dataclasses.replace(options.simulated, targets_m=options.target_distances_m)
    known = read_lens(options.intrinsics) if options.intrinsics else None
    with open_rig(dataclasses.replace(options, simulated=simulated)) as rig:
        source = {"driver": options.driver, _DISTANCES: list(options.target_distances_m)}
        lens_file = dataclasses.replace(known, focus_curve=None) if known else None
        request = CaptureRequest(
            SweepRequest(count=options.positions),
            options.step,
            lens_file,
            options.transfer,
            options.temperature_c,
            source,
        )
        # A focus curve that the device declares is not believed here: stacks are taken by position.
        rig.actuator.curve = None
        recipe = make_recipe(rig, request)
        run_session(console, rig, recipe, RunOptions(folder, wanted, options.pause_s, tuple(targets)))


def _calibrated(options: Options, stacks: list[FocalStack]) -> tuple[Calibration, CalibrationFacts]:
    if not stacks:
        raise ConfigError(f"{_folder(options)}: expected stacks of the target, found none")
    distances = options.target_distances_m or tuple(stacks[0].source.get(_DISTANCES, ()))
    camera, error_px = _known_camera(options, stacks[0]), None
    if distances:
        targets = targets_at(stacks, distances, options.region)
        camera = camera or stacks[0].camera
    else:
        by_chart = targets_by_chart(stacks, options.chart, camera)
        targets, camera, error_px = by_chart.targets, by_chart.camera, by_chart.reprojection_error_px
    calibration = calibrate_lens(targets, options.fit)
    device = str(stacks[0].source.get("driver", options.driver))
    return calibration, CalibrationFacts(camera, options.near_focus_m, options.temperature_c, device, error_px)


def _known_camera(options: Options, stack: FocalStack) -> CameraIntrinsics | None:
    """Intrinsics that were calibrated somewhere; None: the stacks' are nominal."""
    if options.intrinsics:
        known = read_lens(options.intrinsics).camera
        if known is None:
            raise ConfigError(f"{options.intrinsics}: camera: expected intrinsics, got none")
        return known.scaled(stack.camera.width, stack.camera.height)
    return stack.camera if not str(stack.source.get("camera", "")).startswith("nominal") else None


def _figures(calibration: Calibration) -> dict[str, Any]:
    fit, psf = calibration.fit, calibration.psf
    radius, ratio, shift = calibration.rings[-1]
    figures = {
        "blur_gain_px_per_dpt": calibration.gain_px_per_dpt,
        "blur_gain_relative_error": calibration.relative_gain_error,
        "focal_length_m": fit.focal_length_m,
        "nearest_focus_m": 1 / max(calibration.curve.dioptres),
        "residual_px": fit.residual_px / calibration.scale,
        "curve_residual_dpt": calibration.curve_residual_dpt,
        "field_curvature_dpt": fit.field_curvature_dpt,
        "outer_ring_radius": radius,
        "outer_ring_gain_ratio": ratio,
        "outer_ring_focus_shift_dpt": shift,
        "psf_kappa": psf.kappa,
    }
    return {name: round(value, 6) for name, value in figures.items() if value == value} | {
        "curve": calibration.curve.kind,
        "psf_shape": psf.shape,
    }


def _print(console: Console, out: Path, figures: dict[str, Any]) -> None:
    table = Table(title=f"{out} and {out.with_suffix('.png').name}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name, f"{value:.5g}" if isinstance(value, float) else str(value))
    console.print(table)
