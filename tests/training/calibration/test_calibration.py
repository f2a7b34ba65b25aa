"""Calibration of the simulated camera, whose curve, play and slowness it is not told.

Focus must come out within 2 %, blur gain within 3 %.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.commands.dispatch import main
from defocus_depth.evaluation.baselines.depth_from_focus import depth_from_focus
from defocus_depth.optics import blur_gain_px_per_dpt
from defocus_depth.optics.lens_file import read_lens
from defocus_depth.simulation.rendering import RenderOptions, render_stack
from defocus_depth.simulation.rigs import ROBOT
from defocus_depth.simulation.scenes import make_scene
from defocus_depth.simulation.seeds import CAMERA_SEEDS
from defocus_depth.stacks import load_ground_truth, load_registered_image, read_stack, validate_stack
from defocus_training.capture.drivers.simulated_lens import SimulatedLensOptions
from defocus_training.cli import COMMANDS

HIDDEN = SimulatedLensOptions()
WIDTH_PX = 200
ARGUMENTS = [
    *("calibrate", "--driver", "simulated", "--target-distances-m", "0.4", "0.8", "2.0", "--positions", "7"),
    *("--simulated.width-px", str(WIDTH_PX), "--simulated.samples-per-pixel", "24", "--frames-per-step", "4"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Calibrated once, by the command."""
    made = tmp_path_factory.mktemp("calibration")
    assert main("t", COMMANDS, [*ARGUMENTS, "--out", str(made / "lens.yaml"), "--json", str(made / "f.json")]) == 0
    return made


@pytest.fixture(scope="module")
def untold(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same stacks, which do not say at which distances they were taken."""
    copied = tmp_path_factory.mktemp("untold") / "stacks"
    shutil.copytree(folder / "lens_stacks", copied)
    for file in copied.glob("*/stack.json"):
        told = json.loads(file.read_text())
        del told["source"]["target_distances_m"]
        file.write_text(json.dumps(told))
    return copied


def true_focus_dpt(position: float) -> float:
    """Where the lens stands when it comes from the near side."""
    share = min(1.0, (position + 0.5 * HIDDEN.backlash * HIDDEN.range.span) / HIDDEN.range.span)
    bent = share + 4 * HIDDEN.bend * share * (1 - share)
    return HIDDEN.far_dpt + (HIDDEN.near_dpt - HIDDEN.far_dpt) * bent


def test_focus_distances_are_within_2_percent(folder: Path):
    curve = read_lens(folder / "lens.yaml").focus_curve
    assert curve is not None and curve.kind == "monotone"
    for position in np.linspace(130.0, 960.0, 25):
        true_m, told_m = 1 / true_focus_dpt(position), 1 / curve.focus_dpt(position)
        assert true_m < 3.1 and told_m == pytest.approx(true_m, rel=0.02)


@pytest.mark.parametrize("focus_m", [0.35, 0.6, 1.5, 3.0])
def test_blur_gain_is_within_3_percent(folder: Path, focus_m: float):
    lens = read_lens(folder / "lens.yaml").lens
    truth = blur_gain_px_per_dpt(ROBOT.lens, 1 / focus_m, WIDTH_PX)
    assert blur_gain_px_per_dpt(lens, 1 / focus_m, WIDTH_PX) == pytest.approx(truth, rel=0.03)
    # A picture twice as wide of the same camera has twice the gain.
    assert blur_gain_px_per_dpt(lens, 1 / focus_m, 2 * WIDTH_PX) == pytest.approx(2 * truth, rel=0.03)


def test_the_lens_file_tells_how_good_it_is(folder: Path):
    lens_file = read_lens(folder / "lens.yaml")
    told = lens_file.calibration
    assert told["psf_shape"] == "disc" and told["device"] == "simulated" and len(told["date"]) == 10
    assert 0 < told["residual_px"] < 0.2 and 0 < told["gain_relative_error"] < 0.02 and told["focus_error_dpt"] < 0.02
    assert abs(told["field_curvature_dpt"]) < 0.02
    assert 0.25 < lens_file.lens.psf_kappa < 0.29  # of a disc's best Gaussian
    assert lens_file.camera is not None and lens_file.camera.width == WIDTH_PX
    assert (folder / "lens.png").read_bytes()[:4] == b"\x89PNG"
    figures = json.loads((folder / "f.json").read_text())
    assert figures["blur_gain_px_per_dpt"] == pytest.approx(lens_file.lens.blur_gain_px_per_dpt, abs=1e-5)
    assert len(figures["stacks"]) == 3


def test_a_captured_stack_is_as_good_as_a_rendered_one(folder: Path):
    """Depth from focus on a sweep captured with the calibrated lens, and on the same foci rendered faultlessly."""
    step = ["--simulated.width-px", str(WIDTH_PX), "--simulated.samples-per-pixel", "24", "--frames-per-step", "2"]
    sweep = ["--near-m", "0.4", "--far-m", "2.5", "--count", "6", "--lens", str(folder / "lens.yaml")]
    assert main("t", COMMANDS, ["capture", "--out", str(folder / "stacks"), *sweep, *step]) == 0
    stack = read_stack(folder / "stacks" / "scene_000")
    assert validate_stack(stack.path) == [] and not any(frame.flags for frame in stack.frames)
    rig = ROBOT.at_size(WIDTH_PX, WIDTH_PX * 3 // 4)
    foci_m = [frame.focus_distance_m for frame in stack.frames[:-1]]
    rendered = render_stack(make_scene(rig, CAMERA_SEEDS.start), rig, foci_m, RenderOptions(24, threads=2))
    captured = [load_registered_image(stack, index, 0) for index in range(len(foci_m))]
    errors = [
        relative_error(images, foci_m, load_ground_truth(stack))
        for images in ([frame.image for frame in rendered], captured)
    ]
    assert errors[0] < 0.35 and errors[1] == pytest.approx(errors[0], rel=0.2)


def relative_error(images: list, foci_m: list[float], truth_m: np.ndarray | None) -> float:
    """AbsRel of depth from focus."""
    assert truth_m is not None
    gain = blur_gain_px_per_dpt(ROBOT.lens, 1.0, WIDTH_PX)
    depth_m = depth_from_focus(images, np.array([1 / focus_m for focus_m in foci_m]), gain)
    return float(np.nanmean(np.abs(depth_m - truth_m) / truth_m))


def test_stacks_that_are_there_are_not_captured_again(folder: Path, tmp_path: Path):
    again = [
        "calibrate",
        "--driver",
        "v4l2",
        "--stacks",
        str(folder / "lens_stacks"),
        "--out",
        str(tmp_path / "l.yaml"),
    ]
    assert main("t", COMMANDS, [*again, "--curve", "affine", "--temperature-c", "21.5"]) == 0
    told = read_lens(tmp_path / "l.yaml")
    assert told.focus_curve is not None and told.focus_curve.kind == "affine"
    assert told.calibration["temperature_c"] == 21.5 and told.calibration["residual_dpt"] > 0.01


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "l.yaml"], "expected either --target-distances-m D D … or --chart-views N"),
        (["--out", "l.yaml", "--target-distances-m", "1"], "expected 2 or more distances or chart views, got 1"),
        (["--target-distances-m", "1"], "--out: expected the lens YAML to write"),
        (["--out", "l.yaml", "--chart-views", "3"], "expected a real camera"),
        (["--out", "l.yaml", "--stacks", "{untold}", "--target-distances-m", "1", "2"], "one for each of 3 stacks"),
        (["--out", "l.yaml", "--stacks", "{untold}", "--target-distances-m", "1", "1", "1"], "at least 0.15 dpt apart"),
        (
            ["--out", "l.yaml", "--target-distances-m", "1", "0", "2"],
            "--target-distances-m: expected finite numbers > 0",
        ),
        (["--out", "l.yaml", "--target-distances-m", "1", "inf"], "--target-distances-m: expected finite numbers > 0"),
        (["--out", "{told}/lens.yaml", "--target-distances-m", "0.4", "0.8", "2.1"], "expected [0.4, 0.8, 2.0], as "),
        (
            ["--out", "{told}/lens.yaml", "--target-distances-m", "1", "2", "3", "4"],
            "without distances, to take new ones",
        ),
        (["--out", "l.yaml", "--stacks", "{told}/none"], "none: expected a folder of focal stacks, got nothing"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_in_one_line(
    folder: Path, untold: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    given = [argument.format(told=folder, untold=untold) for argument in arguments]
    assert main("t", COMMANDS, ["calibrate", *given]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("t calibrate: ") and error.count("\n") == 1
