"""`build-engine`: real engines by TensorRT for RTX without a GPU, and what it says where one is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_tensorrt import FakeGpu, FakeTensorRt, model_with_variants

from defocus_depth.cli import COMMANDS
from defocus_depth.commands import build_engine
from defocus_depth.commands.dispatch import main
from defocus_depth.errors import BackendError, BackendUnavailableError
from defocus_depth.inference import load_artifact
from defocus_depth.inference.backends.tensorrt import adapter, loading
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


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> FakeTensorRt:
    """A machine with a GPU and TensorRT, on which engines are compared with the CPU."""
    gpu = FakeGpu()
    for module in (build_engine, loading):
        monkeypatch.setattr(module, "open_gpu", gpu.open)
    fake = FakeTensorRt("tensorrt", gpu)
    monkeypatch.setitem(sys.modules, "tensorrt", fake)
    return fake


@pytest.fixture
def built(tmp_path: Path) -> Callable[..., tuple[int, dict[tuple[str, str], dict]]]:
    """A function (model, *options) that builds, and gives the exit code and the rows by precision and size."""

    def build_here(model: Path, *options: object) -> tuple[int, dict[tuple[str, str], dict]]:
        written = tmp_path / "built.json"
        code = build(model, "--out", tmp_path / "engines", "--json", written, *options)
        return code, {(row["precision"], row["size"]): row for row in json.loads(written.read_text())["engines"]}

    return build_here


def test_what_is_built_and_valid_is_left_as_it_is(tiny_model: Path, tmp_path: Path, trt, built):
    assert built(tiny_model)[0] == 0
    assert trt.built == ["pixels", "network", "network"]
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "engines").glob("*.engine")}
    code, rows = built(tiny_model)
    assert code == 0 and len(trt.built) == 3
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "engines").glob("*.engine")}
    assert [(row["was_there"], row["verified"]) for row in rows.values()] == [(True, False), (True, True), (True, True)]
    assert built(tiny_model, "--force")[0] == 0 and len(trt.built) == 6


def test_without_a_gpu_what_is_built_is_left_too(tiny_model: Path, tmp_path: Path, no_gpu, built, monkeypatch):
    pytest.importorskip("tensorrt_rtx")
    assert not any(row["was_there"] for row in built(tiny_model, "--sizes", "96x64")[1].values())
    monkeypatch.setattr(build_engine.EngineMaker, "_build", None)
    code, rows = built(tiny_model, "--sizes", "96x64")
    assert code == 0 and all(row["was_there"] for row in rows.values())


@pytest.mark.parametrize("harm", ["damaged", "not taken"])
def test_what_is_of_no_use_is_built_anew(harm: str, tiny_model: Path, tmp_path: Path, trt, built):
    assert built(tiny_model, "--sizes", "96x64")[0] == 0
    for path in (tmp_path / "engines").glob("*.engine"):
        if harm == "damaged":
            path.write_bytes(path.read_bytes()[:-3])
    if harm == "not taken":
        trt.refused_engines.update(trt.serialised)
    code, rows = built(tiny_model, "--sizes", "96x64")
    assert code == 0 and [row["was_there"] for row in rows.values()] == [False, False]
    assert sorted(trt.built) == ["network", "network", "pixels", "pixels"]
    assert trt.gpu.live == {} and trt.gpu.users == 0


def test_an_engine_that_does_not_fit_into_memory_now_is_told_and_left(tiny_model: Path, trt, built):
    assert built(tiny_model, "--sizes", "96x64")[0] == 0
    trt.refused_engines.update(engine for engine in trt.serialised if b"network" in engine)
    trt.refusal = ("Error Code 2: OutOfMemory (Requested size was 4096 bytes.)",)
    code, rows = built(tiny_model, "--sizes", "96x64")
    assert code == 1 and rows["f32", "96x64"]["was_there"]
    assert "OutOfMemory" in rows["f32", "96x64"]["problem"]
    assert trt.built == ["pixels", "network"]
    assert trt.gpu.live == {} and trt.gpu.users == 0


def test_a_refused_precision_is_told_and_costs_nothing_where_another_is_faithful(
    tmp_path: Path, make_tiny_model, trt, built, capsys
):
    path = model_with_variants(make_tiny_model, tmp_path, "int8")
    trt.faults[load_artifact(path).variant_path("int8").read_bytes()] = "scale"
    for _ in range(2):
        code, rows = built(path, "--sizes", "96x64")
        assert code == 0
        assert "int8 engine differs from the CPU's float32 maps: scale 0.2" in rows["int8", "96x64"]["problem"]
        assert (rows["f32", "96x64"]["verified"], rows["f32", "96x64"]["problem"]) == (True, "")
    assert trt.built == ["pixels", "network", "network"]
    assert built(path, "--sizes", "96x64", "--precisions", "int8")[0] == 1  # nothing else was asked for
    assert built(path, "--sizes", "96x64", "--precisions", "int8", "--force")[0] == 1
    assert trt.built[3:] == ["pixels", "network"]


def test_a_size_without_any_faithful_engine_is_a_failure(tiny_model: Path, trt, built):
    trt.faults[tiny_model.read_bytes()] = "nan"
    code, rows = built(tiny_model)
    assert code == 1 and all(row["problem"] for (precision, _), row in rows.items() if precision == "f32")


def test_a_variant_whose_file_is_missing_keeps_no_other_from_being_built(tmp_path: Path, make_tiny_model, trt, built):
    path = model_with_variants(make_tiny_model, tmp_path, "int8")
    load_artifact(path).variant_path("int8").unlink()
    code, rows = built(path)
    assert code == 0
    assert "tiny.int8.onnx" in rows["int8", "96x64"]["problem"] and rows["int8", "96x64"]["file"] == ""
    assert rows["f32", "96x64"]["verified"] and rows["f32", "128x96"]["verified"]


def test_without_a_driver_the_library_that_needs_none_is_taken(tiny_model: Path, trt, no_gpu, built):
    pytest.importorskip("tensorrt_rtx")
    code, rows = built(tiny_model, "--sizes", "96x64")
    assert code == 0 and "tensorrt-rtx" in rows["f32", "96x64"]["file"] and trt.built == []


def test_a_library_that_needs_a_driver_is_one_clear_error_without(
    tiny_model: Path, tmp_path: Path, trt, no_gpu, capsys
):
    assert build(tiny_model, "--out", tmp_path, "--flavour", "tensorrt") == 2
    (told,) = capsys.readouterr().err.strip().splitlines()
    assert "tensorrt: expected an NVIDIA driver: its engines are built for one GPU model" in told


def test_without_a_terminal_the_log_says_how_far_a_build_is(tiny_model: Path, trt, built, caplog):
    assert built(tiny_model, "--sizes", "96x64")[0] == 0
    assert "tensorrt: f32 engine for 96x64 px: tactics, step 1 of 1" in caplog.text
