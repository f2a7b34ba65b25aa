"""`build-engine`: real engines by TensorRT for RTX without a GPU, and what it says where one is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from defocus_depth.cli import COMMANDS
from defocus_depth.commands import build_engine
from defocus_depth.commands.dispatch import main
from defocus_depth.errors import BackendError, BackendUnavailableError
from defocus_depth.inference import load_artifact
from defocus_depth.inference.backends.tensorrt import adapter
from defocus_depth.inference.backends.tensorrt.cache import EngineCache
from defocus_depth.inference.backends.tensorrt.device import GpuIdentity


def build(*arguments: object) -> int:
    return main("defocus_depth", COMMANDS, ["build-engine", *map(str, arguments)])


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise BackendUnavailableError("expected an NVIDIA driver and GPU: none here")

    monkeypatch.setattr(build_engine, "open_gpu", refuse)


def test_engines_of_every_size_without_a_gpu(
    tiny_model: Path, tmp_path: Path, no_gpu, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("tensorrt_rtx")
    folder, written = tmp_path / "engines", tmp_path / "built.json"
    assert build(tiny_model, "--out", folder, "--json", written) == 0
    figures = json.loads(written.read_text())
    assert figures["library"].startswith("tensorrt_rtx 1.") and figures["gpu"] is None
    made = {(row["precision"], row["size"]): row for row in figures["engines"]}
    assert set(made) == {("pixels", "any"), ("f32", "96x64"), ("f32", "128x96")}
    for row in made.values():
        assert (folder / row["file"]).is_file() and row["mebibytes"] > 0
        assert (row["verified"], row["problem"]) == (False, "")
    shown = " ".join(capsys.readouterr().out.split())
    assert "Running these engines needs an NVIDIA driver and GPU" in shown
    assert (
        f"export DEFOCUS_DEPTH_ENGINES={folder}" in shown.replace(" /", "/").replace("= ", "=") or str(folder) in shown
    )
    assert "f16, int8: the model has no such graph yet; defocus_training quantise makes it" in shown


def test_one_size_and_precision(tiny_model: Path, tmp_path: Path, no_gpu):
    pytest.importorskip("tensorrt_rtx")
    written = tmp_path / "built.json"
    arguments = ["--out", tmp_path, "--sizes", "64x96", "--precisions", "f32", "--json", written]
    assert build(tiny_model, *arguments) == 0
    assert {row["size"] for row in json.loads(written.read_text())["engines"]} == {"any", "64x96"}


def test_an_engine_that_cannot_be_built_is_told_and_the_others_are_made(
    tiny_model: Path, tmp_path: Path, no_gpu, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("tensorrt_rtx")
    build_network = build_engine.EngineMaker.build_network

    def refuse_one(maker, request, precision):
        if request.width == 96:
            raise BackendError("tensorrt_rtx: cannot build the engine: no tactic")
        return build_network(maker, request, precision)

    monkeypatch.setattr(build_engine.EngineMaker, "build_network", refuse_one)
    written = tmp_path / "built.json"
    assert build(tiny_model, "--out", tmp_path / "engines", "--json", written) == 1
    problems = [row["problem"] for row in json.loads(written.read_text())["engines"]]
    assert sorted(problems) == ["", "", "tensorrt_rtx: cannot build the engine: no tactic"]
    assert len(list((tmp_path / "engines").glob("*f32*.engine"))) == 1


def test_nothing_is_called_verified_that_was_not_run(tiny_model: Path, tmp_path: Path, no_gpu):
    pytest.importorskip("tensorrt_rtx")
    assert build(tiny_model, "--out", tmp_path / "engines", "--sizes", "96x64") == 0
    library = adapter.import_library(adapter.TENSORRT_RTX)
    cache = EngineCache(tmp_path / "engines")
    maker = build_engine.EngineMaker(library, cache, None)
    request = build_engine.BackendRequest(load_artifact(tiny_model), 64, 96)
    cached = cache.load(maker.network_key(request, "f32"))
    assert cached is not None and cached.verified_on == "" and cached.figures is None
    header = json.loads(cache.path(maker.network_key(request, "f32")).read_bytes().split(b"\n")[0])
    assert header["notes"]["verified"] is False


@pytest.fixture
def hopper(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose GPU is none of those that TensorRT for RTX is for, and without TensorRT itself."""
    gpu = SimpleNamespace(identity=GpuIdentity("NVIDIA H100", "9.0"), close=lambda: None)
    monkeypatch.setattr(build_engine, "open_gpu", lambda: gpu)
    monkeypatch.setitem(sys.modules, "tensorrt", None)


def test_no_engine_is_built_for_a_gpu_that_cannot_run_it(tiny_model: Path, tmp_path: Path, hopper, capsys):
    pytest.importorskip("tensorrt_rtx")
    assert build(tiny_model, "--out", tmp_path / "engines") == 2
    (told,) = capsys.readouterr().err.strip().splitlines()
    assert "tensorrt: cannot be imported" in told
    assert "expected a GPU of compute capability 8.0, 8.6" in told and "got 9.0 (NVIDIA H100)" in told
    assert "--flavour tensorrt_rtx builds for other machines" in told
    assert not (tmp_path / "engines").exists()


def test_by_name_engines_are_built_for_other_machines(tiny_model: Path, tmp_path: Path, hopper, capsys):
    pytest.importorskip("tensorrt_rtx")
    written = tmp_path / "built.json"
    arguments = ["--flavour", "tensorrt_rtx", "--sizes", "96x64", "--json", written]
    assert build(tiny_model, "--out", tmp_path / "engines", *arguments) == 0
    figures = json.loads(written.read_text())
    assert figures["gpu"] == "NVIDIA H100, 9.0"
    assert [(row["verified"], row["problem"]) for row in figures["engines"]] == [(False, ""), (False, "")]
    shown = capsys.readouterr().out
    assert "Not for this machine's GPU (tensorrt_rtx " in shown and "Copy these engines to where they run" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sizes", "100x64"], "--sizes: expected WIDTHxHEIGHT in multiples of 32 px, got '100x64'"),
        (["--sizes", "0x64"], "--sizes: expected WIDTHxHEIGHT"),
        (["--sizes", "big"], "--sizes: expected WIDTHxHEIGHT"),
        (["--workspace-mb", "0"], "--workspace-mb: expected ≥ 1, got 0"),
        (["--flavour", "tensorrt"], "tensorrt: cannot be imported"),
    ],
)
def test_bad_usage_is_one_line(
    arguments: list[str], message: str, tiny_model: Path, no_gpu, tmp_path: Path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    assert build(tiny_model, "--out", tmp_path, *arguments) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]
