"""The report of `make test-gpu`: complete on any machine, honest about what failed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import gpu_report  # noqa: E402
from gpu_report import Step  # noqa: E402

PYTHON = [sys.executable, "-c"]


def test_every_step_is_reported_and_failures_are_counted(capsys: pytest.CaptureFixture[str]):
    good, bad = [*PYTHON, "print('all well')"], [*PYTHON, "raise SystemExit(3)"]
    failed = gpu_report.report([Step("Good", good), Step("Bad", bad), Step("Note", bad, verdict=False)])
    shown = capsys.readouterr().out
    assert failed == 1
    assert "### Good: passed, 0 s\n\n```\nall well\n```" in shown
    assert "### Bad: FAILED (3), " in shown and "### Note: done (3), " in shown
    assert "2 of 3 steps passed" in shown and "GPU: " in shown and "Versions: defocus_depth 0" in shown


def test_a_step_that_hangs_is_ended_with_its_children_and_what_it_said_is_kept(capsys: pytest.CaptureFixture[str]):
    child = f"import subprocess, sys; print('started', flush=True); subprocess.run([{sys.executable!r}, '-c', "
    start = time.monotonic()
    hanging = Step("Hangs", [*PYTHON, child + "'import time; time.sleep(600)'])"])
    assert gpu_report.report([hanging, Step("Next", [*PYTHON, "print('goes on')"])], limit_s=3) == 1
    shown = capsys.readouterr().out
    assert "### Hangs: FAILED (not done after 3 s)" in shown and "started" in shown and "goes on" in shown
    assert time.monotonic() - start < 300


def test_tests_that_need_a_gpu_exist_and_are_asked_for(tmp_path: Path):
    commands = {step.title: step.command for step in gpu_report.steps(tmp_path)}
    assert "gpu or tensorrt" in commands["Tests"]
    asked = {name for title in ("gsplat parity", "Tests") for name in commands[title]}
    assert {
        "tests/training/splatting/test_gsplat_engine.py",
        "tests/inference/backends/tensorrt/test_on_device.py",
        "tests/inference/backends/test_torch_backend.py",
        "tests/training/fitting/test_fit.py",
        "tests/training/data/test_torch_blur.py",
    } <= asked
    assert not any("tests/ros" in name for name in asked)  # they need more than a GPU
    timed = commands["Timings, torch"]
    assert timed[timed.index("--model") + 1] == str(tmp_path / "released.onnx") and "torch_cuda" in timed
    assert commands["Renderer"][1].endswith("benchmarks/renderer.py")


def test_without_torch_and_pytest_what_a_robot_has_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gpu_report, "find_spec", lambda name: None)
    assert [step.title for step in gpu_report.steps(tmp_path)] == ["Engines", "Timings", "Backends"]


def test_where_torch_is_missing_no_test_that_imports_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gpu_report, "find_spec", lambda name: None if name == "torch" else object())
    commands = {step.title: step.command for step in gpu_report.steps(tmp_path)}
    assert "gsplat parity" not in commands and "Renderer" not in commands
    assert not any("tests/training" in name for name in commands["Tests"])


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
    monkeypatch.setattr(gpu_report, "NVIDIA_SMI", ["no such program"])
    with pytest.raises(KeyboardInterrupt):
        gpu_report.report([Step("Sleeps", [*PYTHON, child])])
    with pytest.raises(ProcessLookupError):
        os.kill(int(noted.read_text()), 0)
