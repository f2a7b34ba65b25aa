from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.cli import COMMANDS
from defocus_depth.commands.dispatch import main
from defocus_depth.stacks import write_stack
from defocus_depth.types import CameraIntrinsics, FocalStack, Frame, LensParameters

KEYS = set(
    "method frames n abs_rel rmse_m delta1 delta2 coc_mae_px valid_fraction masked per_stack median_scaled "
    "distance_bins texture edges error_histogram temporal calibration sparsification provenance".split()
)
SIZE = (64, 96)


def evaluate(*arguments: object) -> int:
    return main("defocus_depth", COMMANDS, ["evaluate", *map(str, arguments)])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Flat grey stacks whose true depth is what `tiny_model` makes of their brightness m: 1/(0.5 + 2·m)."""
    lens = LensParameters(blur_gain_px_per_dpt=4.0)
    camera = CameraIntrinsics(SIZE[1], SIZE[0], 100.0, 100.0, 47.5, 31.5)
    frames = tuple(Frame(f"{index}.png", focus_m) for index, focus_m in enumerate((0.35, 1.0, 2.0)))
    for name, level in (("dark", 40), ("bright", 200)):
        images = [np.full((*SIZE, 3), level, np.uint8) for _ in frames]
        truth_m = np.full(SIZE, 1 / (0.5 + 2 * level / 255), np.float32)
        write_stack(tmp_path / "data" / name, FocalStack(Path(), frames, lens, camera), images, truth_m)
    return tmp_path / "data"


def test_network_against_its_own_truth(data: Path, tmp_path: Path, tiny_model: Path, capsys) -> None:
    file, report = tmp_path / "out" / "figures.json", tmp_path / "report"
    assert evaluate(data, "--model", tiny_model, "--json", file, "--report", report) == 0
    figures = json.loads(file.read_text())
    assert set(figures) == KEYS
    assert (figures["method"], figures["frames"], figures["n"]) == ("network", "first", 2)
    assert figures["abs_rel"] < 0.01 and figures["coc_mae_px"] < 0.05
    assert (figures["delta1"], figures["valid_fraction"]) == (1.0, 1.0)
    # confidence = brightness: only the bright stack (0.78) passes 0.5
    assert figures["masked"]["valid_fraction"] == pytest.approx(0.5)
    assert [stack["name"] for stack in figures["per_stack"]] == ["bright", "dark"]
    assert {path.name for path in report.iterdir()} == {"report.html", "report.md", "bright_0.png", "dark_0.png"}
    assert figures["provenance"]["model"] == tiny_model.name and figures["provenance"]["backend"]
    assert figures["provenance"]["model_sha256"] in (report / "report.html").read_text(encoding="utf-8")
    assert "mean of frames" in capsys.readouterr().out


def test_fused_gives_one_result_per_stack(data: Path, tmp_path: Path, tiny_model: Path, capsys) -> None:
    file = tmp_path / "f.json"
    assert evaluate(data, "--model", tiny_model, "--frames", "fused", "--json", file) == 0
    figures = json.loads(file.read_text())
    assert (figures["frames"], figures["n"]) == ("fused", 2) and np.isfinite(figures["abs_rel"])
    assert evaluate(data, "--frames", "fused", "--method", "zhuo_sim") == 2
    assert "expected a method that looks at several frames" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["network", "zhuo_sim"])
def test_truth_without_a_valid_pixel_is_no_evaluation(
    data: Path, tmp_path: Path, tiny_model: Path, capsys, method: str
) -> None:
    nothing = np.full(SIZE, np.nan, np.float32)
    np.save(data / "dark" / "depth.npy", nothing)
    arguments = (data, "--method", method, "--model", tiny_model, "--json", tmp_path / "f.json")
    assert evaluate(*arguments) == 0  # one stack has truth
    (tmp_path / "f.json").unlink()
    np.save(data / "bright" / "depth.npy", nothing)
    assert evaluate(*arguments) == 2
    assert "data: expected ground truth (finite, > 0 m) at one pixel at least, got none in 2" in capsys.readouterr().err
    assert not (tmp_path / "f.json").exists()


@pytest.mark.parametrize("method", ["constant", "dff_sml", "zhuo_sim"])
def test_baselines_need_no_model(data: Path, tmp_path: Path, method: str) -> None:
    assert evaluate(data, "--method", method, "--frames", "all", "--json", tmp_path / "f.json") == 0
    figures = json.loads((tmp_path / "f.json").read_text())
    assert set(figures) == KEYS
    assert (figures["method"], figures["n"], figures["masked"]) == (method, 6, None)
    if method == "constant":
        bright_m, dark_m = (1 / (0.5 + 2 * level / 255) for level in (200, 40))
        median_m = (bright_m + dark_m) / 2
        expected = (abs(median_m / bright_m - 1) + abs(median_m / dark_m - 1)) / 2
        assert figures["abs_rel"] == pytest.approx(expected, rel=1e-4)


def test_bad_input_is_one_line_and_exit_2(data: Path, tmp_path: Path, capsys) -> None:
    assert evaluate(tmp_path / "nowhere", "--method", "constant") == 2
    assert evaluate(data, "--method", "constant", "--frames", "9") == 2
    assert evaluate(data, "--method", "constant", "--min-confidence", "2") == 2
    complaints = capsys.readouterr().err
    assert "expected a folder of focal stacks, got nothing" in complaints
    assert "frames: expected an index below 3" in complaints
    assert "min_confidence: expected 0..1, got 2.0" in complaints
