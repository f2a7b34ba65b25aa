"""The report of `make test-gpu`: complete on any machine, honest about what failed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import gpu_report  # noqa: E402


def test_every_step_is_reported_and_failures_are_counted(capsys: pytest.CaptureFixture[str]):
    python = [sys.executable, "-c"]
    failed = gpu_report.report([("Good", [*python, "print('all well')"]), ("Bad", [*python, "raise SystemExit(3)"])])
    shown = capsys.readouterr().out
    assert failed == 1
    assert "### Good: passed\n\n```\nall well\n```" in shown and "### Bad: FAILED (3)" in shown
    assert "1 of 2 steps passed" in shown and "GPU: " in shown and "Versions: " in shown


def test_tests_that_need_a_gpu_exist_and_are_asked_for():
    (tests,) = [command for title, command in gpu_report.steps() if title == "Tests"]
    assert tests[-1] == "gpu or tensorrt"
    assert "pytest.mark.tensorrt" in (ROOT / "tests/inference/backends/tensorrt/test_on_device.py").read_text()
