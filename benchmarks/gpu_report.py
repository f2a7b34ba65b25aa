"""`make test-gpu`: tests, engines and timings on this machine's GPU, as a report to paste into an issue.

Everything is printed as Markdown to standard output. Exit 1 where a step failed.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

PACKAGES = ("defocus_depth", "tensorrt", "tensorrt_rtx_cu12", "cuda-bindings", "onnxruntime-gpu", "torch", "gsplat")
COMMAND = "from defocus_depth.cli import run; run()"
NVIDIA_SMI = ["nvidia-smi", "--query-gpu=name,compute_cap,driver_version,memory.total", "--format=csv,noheader"]
STEP_LIMIT_S = 3600.0


def report(steps: list[tuple[str, list[str]]]) -> int:
    """Print what the machine is, then each step's output; how many of them failed."""
    print(f"## defocus_depth on a GPU\n\n{time.strftime('%Y-%m-%d')}, {platform.platform()}, ", end="")
    print(f"Python {platform.python_version()}\n\nGPU: {_gpu()}\n\nVersions: {_versions()}")
    failed = 0
    for title, command in steps:
        code, output = _run(command)
        failed += code != 0
        print(
            f"\n### {title}: {'passed' if code == 0 else f'FAILED ({code})'}\n\n```\n{output.strip()}\n```", flush=True
        )
    print(f"\n{len(steps) - failed} of {len(steps)} steps passed")
    return failed


def steps() -> list[tuple[str, list[str]]]:
    """What is run: the tests only where pytest is installed, which a robot need not have."""
    ours = [sys.executable, "-c", COMMAND]
    found = [
        ("Engines", [*ours, "build-engine"]),
        ("Backends", [*ours, "doctor"]),
        ("Timings", [*ours, "bench", "--rounds", "100"]),
    ]
    if find_spec("pytest"):
        found.append(("Tests", [sys.executable, "-m", "pytest", "-q", "-m", "gpu or tensorrt"]))
    return found


def _gpu() -> str:
    try:
        return _run(NVIDIA_SMI)[1].strip()
    except OSError as error:
        return f"none found ({error})"


def _versions() -> str:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _run(command: list[str]) -> tuple[int, str]:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=STEP_LIMIT_S, check=False
    )
    return done.returncode, done.stdout


if __name__ == "__main__":
    sys.exit(1 if report(steps()) else 0)
