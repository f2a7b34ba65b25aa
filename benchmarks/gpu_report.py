"""`make test-gpu`: tests, engines and timings on this machine's GPU, as a report to paste into an issue.

Everything is printed as Markdown to standard output, what takes least and matters most first. It runs from a checkout
without an installation as well, with `PYTHONPATH=src:training`. Exit 1 where a step failed.

    python benchmarks/gpu_report.py --limit-s 60
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "tensorrt",
    "tensorrt_rtx_cu12",
    "tensorrt_rtx_cu13",
    "cuda-bindings",
    "onnxruntime-gpu",
    "onnxruntime",
    "openvino",
    "torch",
    "gsplat",
)
NVIDIA_SMI = ["nvidia-smi", "--query-gpu=name,compute_cap,driver_version,memory.total", "--format=csv,noheader"]
STEP_LIMIT_S = 3600.0  # TensorRT builds an engine for minutes, on a Jetson all of them for half an hour
TIMED_OUT = 124
MARKED = "gpu or tensorrt"
WEIGHTS = ROOT / "src" / "defocus_depth" / "models" / "released.safetensors"


@dataclass(frozen=True)
class Step:
    """One command of the report.

    Attributes:
        verdict: whether its exit code says that something is broken. `doctor`'s says so of a machine without ROS.
    """

    title: str
    command: list[str]
    verdict: bool = True


def report(steps: list[Step], limit_s: float = STEP_LIMIT_S) -> int:
    """Print what the machine is, then each step's output; how many of them failed."""
    print(f"## defocus_depth on a GPU\n\n{time.strftime('%Y-%m-%d')}, {platform.platform()}, ", end="")
    print(f"Python {platform.python_version()}\n\nGPU: {_gpu()}\n\nVersions: {_versions()}", flush=True)
    failed = 0
    for step in steps:
        start = time.monotonic()
        code, output = _run(step.command, limit_s)
        failed += step.verdict and code != 0
        print(
            f"\n### {step.title}: {_outcome(step, code, limit_s)}, {time.monotonic() - start:.0f} s"
            f"\n\n```\n{output.strip()}\n```",
            flush=True,
        )
    print(f"\n{len(steps) - failed} of {len(steps)} steps passed")
    return failed


def steps(scratch: Path, rounds: int = 100) -> list[Step]:
    """What is run: the tests where pytest is, the renderer where torch is, which a robot need not have.

    Args:
        scratch: folder for the exported program of the torch backend.
    """
    ours = [sys.executable, "-c", "from defocus_depth.cli import run; run()"]
    torch, pytest = find_spec("torch") is not None, find_spec("pytest") is not None
    found = []
    if pytest and torch:
        found.append(Step("gsplat parity", _tests("tests/training/splatting")))
    if pytest:
        offline = ("tests/training/fitting", "tests/training/data") if torch else ()  # they import torch
        found.append(Step("Tests", _tests("tests/inference", *offline)))
    if torch:
        found.append(Step("Renderer", [sys.executable, str(ROOT / "benchmarks" / "renderer.py"), "--threads", "2"]))
    found += [
        Step("Engines", [*ours, "build-engine"]),
        Step("Timings", [*ours, "bench", "--rounds", str(rounds)]),
    ]
    if torch and find_spec("onnxscript") is not None:
        found += _torch_cuda(ours, scratch / "released.onnx", rounds)
    return [*found, Step("Backends", [*ours, "doctor"], verdict=False)]


def _tests(*folders: str) -> list[str]:
    """The marked tests of the folders' files that have any: others may need packages that are not there.

    -rP: those that pass have printed how close they are.
    """
    files = [
        str(path.relative_to(ROOT))
        for folder in folders
        for path in sorted((ROOT / folder).rglob("test_*.py"))
        if "pytest.mark.gpu" in path.read_text(encoding="utf-8")
    ]
    return [sys.executable, "-m", "pytest", "-q", "-rfEsP", "-p", "no:cacheprovider", "-m", MARKED, *files]


def _torch_cuda(ours: list[str], model: Path, rounds: int) -> list[Step]:
    """The torch backend runs an exported program, which the released model comes without: it is made of its weights."""
    export = [sys.executable, "-c", "from defocus_training.cli import run; run()", "export", str(WEIGHTS)]
    card = ["--supervision", "self", "--trained-on", "as the released model", "--format", "onnx", "pt2"]
    timed = ["--backends", "torch_cuda", "onnxruntime", "--rounds", str(rounds)]
    return [
        Step("Export for torch", [*export, "--out", str(model), *card]),
        Step("Timings, torch", [*ours, "bench", "--model", str(model), *timed]),
    ]


def _outcome(step: Step, code: int, limit_s: float) -> str:
    if code == 0:
        return "passed"
    if code == TIMED_OUT:
        return f"FAILED (not done after {limit_s:g} s)"
    return f"FAILED ({code})" if step.verdict else f"done ({code})"


def _gpu() -> str:
    try:
        return _run(NVIDIA_SMI, 30.0)[1].strip()
    except OSError as error:
        return f"none found ({error})"


def _versions() -> str:
    found = [f"defocus_depth {_own_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _own_version() -> str:
    """Of the package that the steps import, installed or not."""
    try:
        from defocus_depth import __version__
    except ImportError as error:
        return f"cannot be imported ({error})"
    return __version__


def _run(command: list[str], limit_s: float) -> tuple[int, str]:
    """Exit code and output. At the limit the command is ended with all that it started, and TIMED_OUT returned.

    The output goes through a file: a pipe would stay open as long as a grandchild lives.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        started = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=ROOT, start_new_session=True
        )
        try:
            code = started.wait(limit_s)
        except subprocess.TimeoutExpired:
            code = TIMED_OUT
        finally:  # also where the report itself is interrupted
            if started.poll() is None:
                os.killpg(started.pid, signal.SIGKILL)
                started.wait()
        output.seek(0)
        return code, output.read()


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Tests, engines and timings on this machine's GPU, as Markdown.")
    parser.add_argument("--limit-s", type=float, default=STEP_LIMIT_S, help="the longest that a step may take (s)")
    parser.add_argument("--rounds", type=int, default=100, help="timed rounds of each backend")
    parser.add_argument("--skip", nargs="*", default=(), metavar="TITLE", help="steps to leave out")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory() as scratch:
        chosen = [step for step in steps(Path(scratch), options.rounds) if step.title not in options.skip]
        return 1 if report(chosen, options.limit_s) else 0


if __name__ == "__main__":
    sys.exit(main())
