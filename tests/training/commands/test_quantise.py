"""`defocus_training quantise` as users call it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from defocus_depth.cli import COMMANDS as RUNTIME_COMMANDS
from defocus_depth.commands.dispatch import main
from defocus_depth.inference import load_artifact
from defocus_training.cli import COMMANDS


def quantise(*arguments: object) -> int:
    return main("defocus_training", COMMANDS, ["quantise", *map(str, arguments)])


def test_variants_of_a_copy_on_simulated_stacks(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The tiny model has no convolutions, so that nothing changes: what is tested is everything around them."""
    out, written = tmp_path / "robot" / "copy.onnx", tmp_path / "figures.json"
    assert quantise(tiny_model, "--out", out, "--precisions", "f16", "--count", "1", "--json", written) == 0
    variant = load_artifact(out).sidecar.variants["f16"]
    assert json.loads(written.read_text()) == {"f16": variant.model_dump(mode="json")}
    assert out.with_suffix(".f16.onnx").is_file() and not tiny_model.with_suffix(".f16.onnx").exists()
    assert "AbsRel" in capsys.readouterr().err


@pytest.mark.slow
def test_the_released_model_in_every_precision_as_engines(tmp_path: Path):
    """What is shipped, by the two commands that a user runs; four stacks instead of twenty."""
    out, written = tmp_path / "released.onnx", tmp_path / "built.json"
    assert quantise("--out", out, "--count", "4") == 0
    for variant in load_artifact(out).sidecar.variants.values():
        assert variant.metrics["abs_rel"] <= 1.02 * variant.metrics["f32_abs_rel"]
    pytest.importorskip("tensorrt_rtx")
    options = ["--flavour", "tensorrt_rtx", "--sizes", "320x256", "--out", tmp_path / "engines", "--json", written]
    assert main("defocus_depth", RUNTIME_COMMANDS, ["build-engine", str(out), *map(str, options)]) == 0
    built = json.loads(written.read_text())["engines"]
    assert [one["precision"] for one in built] == ["pixels", "int8", "f16", "f32"]
    assert all(one["problem"] == "" and one["mebibytes"] > 1 for one in built)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "copy.pt"], "--out: expected a file name <name>.onnx, got copy.pt"),
        (["--count", "0"], "--count: expected ≥ 1, got 0"),
        (["--validation", "nowhere"], "nowhere"),
    ],
)
def test_bad_usage_is_one_line(
    arguments: list[str], message: str, tiny_model: Path, capsys: pytest.CaptureFixture[str]
):
    assert quantise(tiny_model, *arguments) == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


def test_needs_no_torch():
    modules = "defocus_training.commands.quantise, defocus_training.lowering.quantise"
    code = f"import sys; sys.modules['torch'] = None; import {modules}"  # None: not to be found, not to be imported
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
