"""The report of `make test-gpu`: complete on any machine, honest about what failed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import gpu_report  # noqa: E402
from gpu_report import Step  # noqa: E402

PYTHON = [sys.executable, "-c"]
FLAVOURS = ("tensorrt", "tensorrt_rtx")


def test_every_step_is_reported_and_failures_are_counted(capsys: pytest.CaptureFixture[str]):
    good, bad = [*PYTHON, "print('all well')"], [*PYTHON, "raise SystemExit(3)"]
    failed = gpu_report.report([Step("Good", good), Step("Bad", bad), Step("Note", bad, verdict=False)])
    shown = capsys.readouterr().out
    assert failed == 1
    assert "### Good: passed, 0 s\n\n```\nall well\n```" in shown
    assert "### Bad: FAILED (3), " in shown and "### Note: done (3), " in shown
    assert "2 of 3 steps passed, 1 failed, 0 not run" in shown
    assert "GPU: " in shown and "Versions: defocus_depth 0" in shown


def test_what_could_not_be_run_is_named_and_is_no_success(capsys: pytest.CaptureFixture[str]):
    idle = Step("Idle", [*PYTHON, "print('3 skipped')"], proof=" passed")
    bare = Step("Bare", [*PYTHON, "print('run all the same')"], needs=("sys", "no_such_package"))
    assert gpu_report.report([idle, bare]) == 0
    shown = capsys.readouterr().out
    assert "### Idle: not run, nothing for this machine" in shown and "3 skipped" in shown
    assert "### Bare: not run, needs no_such_package\n" in shown and "run all the same" not in shown
    assert "0 of 2 steps passed, 0 failed, 2 not run" in shown


def test_without_a_gpu_the_report_begins_with_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gpu_report, "DRIVER", "raise SystemExit('expected an NVIDIA driver')")
    gpu_report.report([])
    shown = capsys.readouterr().out
    assert "**none can be used, what needs one is not tested** (expected an NVIDIA driver)" in shown
    monkeypatch.setattr(gpu_report, "DRIVER", "print('Orin, 8.7')")
    gpu_report.report([])
    assert "CUDA: Orin, 8.7\n" in capsys.readouterr().out


def test_the_driver_is_asked_by_the_runtimes_own_code():
    answer = subprocess.run([*PYTHON, gpu_report.DRIVER], capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0 or "BackendUnavailableError" in answer.stderr


def test_a_step_that_hangs_is_ended_with_its_children_and_what_it_said_is_kept(capsys: pytest.CaptureFixture[str]):
    child = f"import subprocess, sys; print('started', flush=True); subprocess.run([{sys.executable!r}, '-c', "
    start = time.monotonic()
    hanging = Step("Hangs", [*PYTHON, child + "'import time; time.sleep(600)'])"])
    assert gpu_report.report([hanging, Step("Next", [*PYTHON, "print('goes on')"])], limit_s=3) == 1
    shown = capsys.readouterr().out
    assert "### Hangs: FAILED (not done after 3 s)" in shown and "started" in shown and "goes on" in shown
    assert time.monotonic() - start < 300


def quantised(folder: Path, sha256: str | None = None, variants: Sequence[str] = ("f16", "int8")) -> Path:
    """As much of a copy of the released model as the report looks at."""
    sidecar = json.loads(gpu_report.RELEASED.with_suffix(".json").read_text(encoding="utf-8"))
    sidecar |= {"variants": dict.fromkeys(variants, {})} | ({"sha256": sha256} if sha256 else {})
    path = folder / "released.onnx"
    path.with_suffix(".json").write_text(json.dumps(sidecar), encoding="utf-8")
    return path


def model_given_to(step: Step) -> str:
    return step.command[step.command.index("env") + 1].partition("=")[2]


def test_tests_that_need_a_gpu_exist_and_are_asked_for(tmp_path: Path):
    commands = {step.title: step.command for step in gpu_report.steps(tmp_path, quantised(tmp_path))}
    tests = [title for title, command in commands.items() if "pytest" in command]
    assert all("gpu or tensorrt" in commands[title] for title in tests)
    asked = {name for title in tests for name in commands[title]}
    assert {
        "tests/training/splatting/test_gsplat_engine.py",
        "tests/inference/backends/tensorrt/test_on_device.py",
        "tests/inference/backends/test_torch_backend.py",
        "tests/training/fitting/test_fit.py",
        "tests/training/data/test_stack_engine.py",
    } <= asked
    assert not any("tests/ros" in name for name in asked)  # they need more than a GPU
    timed = commands["Timings, torch"]
    assert timed[timed.index("--model") + 1] == str(tmp_path / "released.onnx") and "torch_cuda" in timed
    assert commands["Renderer"][1].endswith("benchmarks/renderer.py")


def test_each_precision_is_gated_and_timed_on_the_quantised_copy(tmp_path: Path):
    copy = quantised(tmp_path)
    steps = {step.title: step for step in gpu_report.steps(tmp_path, copy)}
    assert "fp16 and int8 graphs" not in steps  # they are there
    assert model_given_to(steps["Tests"]) == str(copy) and str(copy) in steps["Engines"].command
    timed = steps["Timings"].command
    assert timed[timed.index("--model") + 1] == str(copy)
    precisions = ("f32", "f16", "int8")
    assert {f"{flavour}:{precision}" for flavour in FLAVOURS for precision in precisions} <= set(timed)


def test_the_tests_on_the_device_read_the_model_they_are_given():
    on_device = ROOT / "tests" / "inference" / "backends" / "tensorrt" / "test_on_device.py"
    assert f'os.environ.get("{gpu_report.TESTED_MODEL}")' in on_device.read_text(encoding="utf-8")


@pytest.mark.parametrize("copy", [{"sha256": "of another release"}, {"variants": ["f16"]}])
def test_a_copy_that_is_old_or_incomplete_is_made_anew(copy: dict[str, Any], tmp_path: Path):
    path = quantised(tmp_path, **copy)
    steps = gpu_report.steps(tmp_path, path)
    making = next(step for step in steps if step.title == "fp16 and int8 graphs")
    assert making.command[-3:] == ["quantise", "--out", str(path)]
    quantised(tmp_path)  # as that command does
    assert model_given_to(next(steps)) == str(path)


def test_where_no_copy_can_be_made_the_released_model_is_tested(tmp_path: Path):
    steps = {step.title: step for step in gpu_report.steps(tmp_path, tmp_path / "none" / "released.onnx")}
    assert steps["fp16 and int8 graphs"].needs == ("onnx", "onnxruntime")
    assert model_given_to(steps["Tests"]) == str(gpu_report.RELEASED) in steps["Engines"].command


def test_without_torch_and_pytest_what_a_robot_has_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gpu_report, "find_spec", lambda name: None)
    run = [step.title for step in gpu_report.steps(tmp_path, quantised(tmp_path)) if not step.missing]
    assert run == ["Engines", "Timings", "Backends"]


def test_where_torch_is_missing_no_test_that_imports_it_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gpu_report, "find_spec", lambda name: None if name == "torch" else object())
    steps = [step for step in gpu_report.steps(tmp_path, quantised(tmp_path)) if not step.missing]
    assert {"gsplat parity", "Renderer", "Timings, torch"}.isdisjoint(step.title for step in steps)
    assert "Tests" in {step.title for step in steps}
    assert not any(argument.startswith("tests/training") for step in steps for argument in step.command)


@pytest.mark.parametrize("cuda", ["cu12", "cu13"])
def test_either_package_of_tensorrt_for_rtx_is_named(cuda: str, monkeypatch: pytest.MonkeyPatch):
    def version(name: str) -> str:
        if name != f"tensorrt_rtx_{cuda}":
            raise gpu_report.PackageNotFoundError(name)
        return "1.7.1"

    monkeypatch.setattr(gpu_report, "version", version)
    assert gpu_report._versions().endswith(f", tensorrt_rtx_{cuda} 1.7.1")


def test_every_test_that_wants_a_cuda_device_is_marked():
    """Without the mark `make test-gpu` leaves it out, and nobody runs it."""
    condition = "skipif(not torch.cuda." + "is_available()"
    texts = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    unmarked = [name for name, text in texts.items() if text.count(condition) > text.count("pytest.mark.gpu")]
    assert unmarked == []


def test_an_interrupted_report_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    noted = tmp_path / "pid"
    child = f"import os, pathlib, time; pathlib.Path({str(noted)!r}).write_text(str(os.getpid())); time.sleep(600)"
    waited = subprocess.Popen.wait

    def interrupted(self: subprocess.Popen, timeout: float | None = None) -> int:
        if timeout is None:
            return waited(self)
        while not (noted.is_file() and noted.read_text()):
            time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    monkeypatch.setattr(gpu_report, "_gpu", lambda: "none")
    with pytest.raises(KeyboardInterrupt):
        gpu_report.report([Step("Sleeps", [*PYTHON, child])])
    with pytest.raises(ProcessLookupError):
        os.kill(int(noted.read_text()), 0)
