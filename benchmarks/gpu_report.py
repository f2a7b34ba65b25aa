"""`make test-gpu`: tests, engines and timings on this machine's GPU, as a report to paste into an issue.

Everything is printed as Markdown to standard output, what takes least and matters most first; what cannot be run
here is named with the reason. The released model comes in float32 only, so fp16 and int8 are tested on a quantised
copy, made once. It runs from a checkout without an installation as well, with `PYTHONPATH=src:training`. Exit 1 where
a step failed.

    python benchmarks/gpu_report.py --limit-s 60 --quantised /tmp/quantised/released.onnx
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
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
# The CUDA driver's own answer: a Jetson's nvidia-smi knows neither capability nor memory.
DRIVER = "from defocus_depth.inference.backends.tensorrt.device import open_gpu; print(open_gpu().identity)"
# TensorRT builds an engine for minutes, on a Jetson those of all sizes and precisions for an hour.
STEP_LIMIT_S = 7200.0
TIMED_OUT = 124
FAILED, NOT_RUN = "FAILED", "not run"
MARKED = "gpu or tensorrt"
RELEASED = ROOT / "src" / "defocus_depth" / "models" / "released.onnx"
QUANTISED = ROOT / ".venv" / "quantised" / "released.onnx"
LOWERED = {"f16", "int8"}
TESTED_MODEL = "DEFOCUS_DEPTH_TESTED_MODEL"  # read by tests/inference/backends/tensorrt/test_on_device.py
TIMED = (
    *(f"{flavour}:{precision}" for flavour in ("tensorrt", "tensorrt_rtx") for precision in ("f32", "f16", "int8")),
    *("onnxruntime_gpu", "torch_cuda", "openvino", "openvino:bf16", "openvino:int8", "onnxruntime"),
)


@dataclass(frozen=True)
class Step:
    """One command of the report.

    Attributes:
        verdict: whether its exit code says that something is broken. `doctor`'s says so of a machine without ROS.
        proof: what the output has where anything was run at all; pytest passes where it skips every test.
        needs: packages without which the step is left out.
    """

    title: str
    command: list[str]
    verdict: bool = True
    proof: str = ""
    needs: tuple[str, ...] = ()

    @property
    def missing(self) -> list[str]:
        """Those of the packages that are not here."""
        return [name for name in self.needs if find_spec(name) is None]


def report(steps: Iterable[Step], limit_s: float = STEP_LIMIT_S) -> int:
    """Print what the machine is, then each step's output; how many failed. A step is asked for after the one before."""
    print(f"## defocus_depth on a GPU\n\n{time.strftime('%Y-%m-%d')}, {platform.platform()}, ", end="")
    print(f"Python {platform.python_version()}\n\nGPU: {_gpu()}\n\nVersions: {_versions()}", flush=True)
    outcomes = [_left_out(step) if step.missing else _reported(step, limit_s) for step in steps]
    failed, idle = (sum(outcome.startswith(verdict) for outcome in outcomes) for verdict in (FAILED, NOT_RUN))
    print(f"\n{len(outcomes) - failed - idle} of {len(outcomes)} steps passed, {failed} failed, {idle} not run")
    return failed


def _left_out(step: Step) -> str:
    outcome = f"{NOT_RUN}, needs {', '.join(step.missing)}"
    print(f"\n### {step.title}: {outcome}", flush=True)
    return outcome


def _reported(step: Step, limit_s: float) -> str:
    start = time.monotonic()
    code, output = _run(step.command, limit_s)
    outcome = _outcome(step, code, output, limit_s)
    seconds = time.monotonic() - start
    print(f"\n### {step.title}: {outcome}, {seconds:.0f} s\n\n```\n{output.strip()}\n```", flush=True)
    return outcome


def steps(scratch: Path, quantised: Path = QUANTISED, rounds: int = 100) -> Iterator[Step]:
    """What is run. What follows the quantised copy depends on whether it could be made.

    Args:
        scratch: folder for the exported program of the torch backend.
        quantised: the copy of the released model with fp16 and int8 graphs; made where it is not there yet.
    """
    ours = [sys.executable, "-c", "from defocus_depth.cli import run; run()"]
    offline = [sys.executable, "-c", "from defocus_training.cli import run; run()"]
    yield _tests("gsplat parity", ("pytest", "torch"), "tests/training/splatting")
    if lowered(quantised) < LOWERED:
        command = [*offline, "quantise", "--out", str(quantised)]
        yield Step("fp16 and int8 graphs", command, needs=("onnx", "onnxruntime"))
    model = quantised if lowered(quantised) else RELEASED
    yield _tests("Tests", ("pytest",), "tests/inference", model=model)
    yield _tests("Tests with torch", ("pytest", "torch"), "tests/training/fitting", "tests/training/data")
    renderer = [sys.executable, str(ROOT / "benchmarks" / "renderer.py"), "--threads", "2"]
    yield Step("Renderer", renderer, needs=("torch",))
    yield Step("Engines", [*ours, "build-engine", str(model)])
    yield Step("Timings", [*ours, "bench", "--model", str(model), "--backends", *TIMED, "--rounds", str(rounds)])
    yield from _torch_cuda(ours, offline, scratch / "released.onnx", rounds)
    yield Step("Backends", [*ours, "doctor", "--model", str(model)], verdict=False)


def lowered(copy: Path) -> set[str]:
    """Which of fp16 and int8 the copy has graphs for; none where it is of another release."""
    try:
        theirs, ours = (json.loads(path.with_suffix(".json").read_text("utf-8")) for path in (copy, RELEASED))
    except (OSError, ValueError):
        return set()
    return LOWERED & theirs["variants"].keys() if theirs["sha256"] == ours["sha256"] else set()


def _tests(title: str, needs: tuple[str, ...], *folders: str, model: Path = RELEASED) -> Step:
    """The marked tests of the folders' files that have any: others may need packages that are not there.

    -rP: those that pass have printed how close they are.
    """
    files = [
        str(path.relative_to(ROOT))
        for folder in folders
        for path in sorted((ROOT / folder).rglob("test_*.py"))
        if "pytest.mark.gpu" in path.read_text(encoding="utf-8")
    ]
    pytest = [sys.executable, "-m", "pytest", "-q", "-rfEsP", "-p", "no:cacheprovider", "-m", MARKED]
    return Step(title, ["env", f"{TESTED_MODEL}={model}", *pytest, *files], proof=" passed", needs=needs)


def _torch_cuda(ours: list[str], offline: list[str], model: Path, rounds: int) -> list[Step]:
    """The torch backend runs an exported program, which the released model comes without: it is made of its weights."""
    export = [*offline, "export", str(RELEASED.with_suffix(".safetensors")), "--out", str(model)]
    card = ["--supervision", "self", "--trained-on", "as the released model", "--format", "onnx", "pt2"]
    timed = ["--backends", "torch_cuda", "onnxruntime", "--rounds", str(rounds)]
    return [
        Step("Export for torch", [*export, *card], needs=("torch", "onnxscript")),
        Step("Timings, torch", [*ours, "bench", "--model", str(model), *timed], needs=("torch", "onnxscript")),
    ]


def _outcome(step: Step, code: int, output: str, limit_s: float) -> str:
    if code == 0 and step.proof not in output:
        return f"{NOT_RUN}, nothing for this machine"
    if code == 0:
        return "passed"
    if code == TIMED_OUT:
        return f"{FAILED} (not done after {limit_s:g} s)"
    return f"{FAILED} ({code})" if step.verdict else f"done ({code})"


def _gpu() -> str:
    """What NVIDIA's tool and the CUDA driver say, each in one line."""
    try:
        named = _run(NVIDIA_SMI, 30.0)[1].strip()
    except OSError as error:
        named = f"not named ({error})"
    code, answer = _run([sys.executable, "-c", DRIVER], 60.0)
    last = answer.strip().rpartition("\n")[2]
    return f"{named}; " + (
        f"CUDA: {last}" if code == 0 else f"**none can be used, what needs one is not tested** ({last})"
    )


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
    parser.add_argument(
        "--quantised",
        type=Path,
        default=QUANTISED,
        help="copy of the released model with fp16 and int8, made if missing",
    )
    parser.add_argument("--skip", nargs="*", default=(), metavar="TITLE", help="steps to leave out")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory() as scratch:
        every = steps(Path(scratch), options.quantised.resolve(), options.rounds)
        chosen = (step for step in every if step.title not in options.skip)
        return 1 if report(chosen, options.limit_s) else 0


if __name__ == "__main__":
    sys.exit(main())
