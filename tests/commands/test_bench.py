"""`bench`: every backend at every working size, figures in JSON, reasons for what was not timed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from defocus_depth.cli import COMMANDS
from defocus_depth.commands.bench import VARIANTS
from defocus_depth.commands.dispatch import main
from defocus_depth.inference import BACKENDS, file_sha256


def bench(*arguments: object) -> int:
    return main("defocus_depth", COMMANDS, ["bench", "--rounds", "2", "--threads", "1", *map(str, arguments)])


def test_every_backend_is_timed_by_default():
    assert set(BACKENDS) <= set(VARIANTS)


def test_figures_of_two_backends(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    written = tmp_path / "bench.json"
    assert bench("--model", tiny_model, "--backends", "openvino", "onnxruntime", "--json", written) == 0
    figures = json.loads(written.read_text())
    assert figures["model_sha256"] == file_sha256(tiny_model)
    assert (figures["rounds"], figures["threads"], figures["unavailable"]) == (2, 1, {})
    timed = {(row["backend"], row["height"], row["width"]) for row in figures["timings"]}
    assert timed == {(name, *size) for name in ("openvino", "onnxruntime") for size in ((64, 96), (96, 128))}
    for size in (64, 96):
        assert min(row["ratio"] for row in figures["timings"] if row["height"] == size) == 1.0
    assert all(0 < row["median_ms"] <= row["p95_ms"] for row in figures["timings"])
    assert all(row["speed_up"] == 1 for row in figures["timings"])
    assert figures["overhead_ms"] > 0
    shown = capsys.readouterr().out
    assert "openvino" in shown and "128x96" in shown and "Around the network" in shown


def test_speed_up_of_a_precision_over_the_backends_own(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    written = tmp_path / "bench.json"
    backends = ("onnxruntime", "onnxruntime:f32")
    assert bench("--model", tiny_model, "--backends", *backends, "--json", written) == 0
    rows = {(row["backend"], row["height"]): row for row in json.loads(written.read_text())["timings"]}
    for height in (64, 96):
        plain, other = (rows[name, height] for name in backends)
        assert other["speed_up"] == pytest.approx(plain["median_ms"] / other["median_ms"])
    assert "speed-up" in capsys.readouterr().out


def test_a_precision_without_its_graph_is_listed_with_the_command_that_makes_it(tiny_model: Path, tmp_path: Path):
    written = tmp_path / "bench.json"
    assert bench("--model", tiny_model, "--backends", "openvino:int8", "--json", written) == 1
    assert "make it with defocus_training quantise" in json.loads(written.read_text())["unavailable"]["openvino:int8"]


def test_a_backend_that_does_not_load_is_listed_with_its_reason(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    written = tmp_path / "bench.json"
    assert bench("--model", tiny_model, "--backends", "torch", "onnxruntime:bf16", "--json", written) == 1
    figures = json.loads(written.read_text())
    assert figures["timings"] == []
    assert "export with --format pt2" in figures["unavailable"]["torch"]
    assert "expected precision f32 or int8 or f16, got bf16" in figures["unavailable"]["onnxruntime:bf16"]
    assert "torch not timed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backends", "abacus"], "backend: expected one of auto"),
        (["--backends", "openvino:f8"], "precision: expected one of auto, f32, f16, bf16, int8, got 'f8'"),
        (["--rounds", "0"], "--rounds: expected ≥ 1, got 0"),
        (["--model", "nowhere.onnx"], "nowhere.onnx: expected a model file, which is not there"),
    ],
)
def test_bad_usage_is_one_line(
    arguments: list[str], message: str, tiny_model: Path, capsys: pytest.CaptureFixture[str]
):
    model = [] if "--model" in arguments else ["--model", tiny_model]
    assert bench(*model, *arguments) == 2
    complaint = capsys.readouterr().err.strip().splitlines()
    assert message in complaint[-1]
