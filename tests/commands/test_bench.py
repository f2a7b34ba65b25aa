"""`bench`: every backend at every working size, figures in JSON, reasons for what was not timed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_tensorrt import FakeGpu, FakeTensorRt, model_with_variants

from defocus_depth.cli import COMMANDS
from defocus_depth.commands.bench import VARIANTS
from defocus_depth.commands.dispatch import main
from defocus_depth.inference import BACKENDS, BackendRequest, file_sha256, load_artifact, load_backend
from defocus_depth.inference.backends.tensorrt import loading
from defocus_depth.inference.backends.tensorrt.cache import FOLDER_VARIABLE


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


def test_a_precision_that_another_stands_in_for_is_not_timed_under_its_name(
    make_tiny_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    gpu = FakeGpu()
    trt = FakeTensorRt("tensorrt", gpu)
    monkeypatch.setattr(loading, "open_gpu", gpu.open)
    monkeypatch.setitem(sys.modules, "tensorrt", trt)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "engines"))
    model = model_with_variants(make_tiny_model, tmp_path, "f16", "int8")
    artifact = load_artifact(model)
    trt.faults[artifact.variant_path("int8").read_bytes()] = "scale"
    for height, width in artifact.sidecar.sizes:  # int8 is built and refused, f16 built
        load_backend("tensorrt", BackendRequest(artifact, height, width)).close()
    written = tmp_path / "bench.json"
    backends = ("tensorrt", "tensorrt:f16", "tensorrt:int8")
    assert bench("--model", model, "--backends", *backends, "--json", written) == 0
    figures = json.loads(written.read_text())
    assert {row["backend"] for row in figures["timings"]} == {"tensorrt", "tensorrt:f16"}
    (reason,) = figures["unavailable"].values()
    assert reason == (
        "expected an engine in int8, got one in f16; whether int8 is missing or refused, and why, says "
        f"defocus_depth build-engine {model} --flavour tensorrt --precisions int8"
    )
    assert gpu.live == {} and gpu.users == 0


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
