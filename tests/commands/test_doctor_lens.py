"""`doctor --lens`: what accuracy a lens file promises."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from defocus_depth.cli import COMMANDS
from defocus_depth.commands.checks.lens import LensUse, check_lens, expected_accuracy, network_coc_error_px, usual_use
from defocus_depth.commands.checks.model import check_model
from defocus_depth.commands.dispatch import main
from defocus_depth.optics.focus_curve import FocusCurve
from defocus_depth.optics.lens_file import LensFile, write_lens
from defocus_depth.simulation.rigs import ROBOT
from defocus_depth.types import LensParameters

USE = LensUse(0.35, 320, 0.4, 3.0)


def test_errors_grow_with_distance_and_blur_is_that_of_the_lens():
    rows = expected_accuracy(LensFile(ROBOT.lens), USE, 2.0)
    assert [row.distance_m for row in rows] == [0.5, 0.75, 1.0, 1.5, 2.0, 3.0]
    gain = ROBOT.blur_gain_px_per_dpt(0.35)
    assert [row.coc_px for row in rows] == pytest.approx([gain * (1 / 0.35 - 1 / row.distance_m) for row in rows])
    for before, after in zip(rows, rows[1:], strict=False):
        assert before.limit_m < after.limit_m and before.network_m < after.network_m
    assert all(row.limit_m < row.network_m for row in rows)


def test_the_networks_error_is_that_of_its_working_image():
    """Blur of 320 px images spans 17 px, so they are not shrunk; those of twice the width are, and gain nothing."""
    small, large = (
        expected_accuracy(LensFile(ROBOT.lens), LensUse(0.35, width, 0.4, 3.0), 2.0) for width in (320, 640)
    )
    gain = ROBOT.blur_gain_px_per_dpt(0.35)
    assert small[2].network_m == pytest.approx(0.5 * (1 / (1 - 2 / gain) - 1 / (1 + 2 / gain)))
    span = 2 * gain * (1 / 0.4 - 1 / 3.0)
    shift = 2.0 * (span / 20) / (2 * gain)
    assert large[2].network_m == pytest.approx(0.5 * (1 / (1 - shift) - 1 / (1 + shift)))
    assert large[2].limit_m < small[2].limit_m


def test_a_lens_with_little_blur_is_warned_of(tmp_path: Path):
    write_lens(tmp_path / "l.yaml", LensFile(LensParameters(2.8e-3, 2.8, 5e-6, image_width_px=640), 0.5))
    checks, rows = check_lens(str(tmp_path / "l.yaml"), None)
    assert checks[0].status == "warning" and "open the aperture" in checks[0].fix
    assert rows[-1].network_m == float("inf")
    assert (checks[1].status, checks[2].status) == ("note", "note")


def test_a_calibrated_lens_tells_its_curve_and_residuals(tmp_path: Path):
    curve = FocusCurve("affine", (0.0, 100.0), (0.0, 4.0))
    lens_file = LensFile(ROBOT.lens, focus_curve=curve, calibration={"date": "2026-01-02", "residual_px": 0.04})
    write_lens(tmp_path / "l.yaml", lens_file)
    lens, scale, calibration = check_lens(str(tmp_path / "l.yaml"), None)[0]
    assert usual_use(lens_file).focus_m == 0.25 and lens.status == "ok"
    assert scale.found == "affine, 0.25..inf m" and "residual_px 0.04" in calibration.found


@pytest.mark.parametrize(
    ("residual_px", "width_px", "status"), [(1.1, 640, "warning"), (0.3, 640, "ok"), (0.3, 320, "warning")]
)
def test_a_calibration_that_contradicts_itself_is_warned_of(
    tmp_path: Path, residual_px: float, width_px: int, status: str
):
    lens = dataclasses.replace(ROBOT.lens, image_width_px=width_px)
    write_lens(tmp_path / "l.yaml", LensFile(lens, 0.35, calibration={"residual_px": residual_px}))
    found = check_lens(str(tmp_path / "l.yaml"), None)[0][2]
    assert found.status == status and ("check the distances" in found.fix) is (status == "warning")


def test_a_lens_that_is_not_there_is_an_error():
    checks, rows = check_lens("none.yaml", None)
    assert [check.status for check in checks] == ["error"] and rows == []


def test_the_models_own_figures_are_used(make_tiny_model, tmp_path: Path):
    metrics = {"coc_mae_px": 3.0, "others": {"coc_mae_px": 1.0, "delta1": 0.5}}
    _, artifact = check_model(make_tiny_model(tmp_path, metrics=metrics))
    assert network_coc_error_px(artifact) == 2.0
    assert network_coc_error_px(None) == pytest.approx(2.1)


def test_the_command_writes_the_table(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    written = tmp_path / "d.json"
    main("defocus_depth", COMMANDS, ["doctor", "--model", str(tiny_model), "--lens", "robot", "--json", str(written)])
    report = json.loads(written.read_text())
    assert [row["distance_m"] for row in report["accuracy"]] == [0.5, 0.75, 1.0, 1.5, 2.0, 3.0]
    assert {"lens", "focus curve", "calibration"} <= {check["name"] for check in report["checks"]}
    assert "depth accuracy to expect" in capsys.readouterr().out
