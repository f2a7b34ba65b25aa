"""What `make` would do on machines of several kinds, told by `make -n`: nothing is installed here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def planned(target: str, venv: Path, python: str = "python3") -> str:
    """The commands of a target where `venv` is the environment and no ROS is sourced."""
    kept = {name: value for name, value in os.environ.items() if name != "ROS_DISTRO" and not name.startswith("MAKE")}
    command = ["make", "-n", "-C", str(ROOT), target, f"VENV={venv}", f"PYTHON={python}"]
    return subprocess.run(command, env=kept, capture_output=True, text=True, timeout=60, check=True).stdout


def python_beside(folder: Path, *modules: str) -> str:
    """A Python, not of a virtual environment, in whose own library these modules are, and no others (-S)."""
    for name in modules:
        (folder / "site" / name).mkdir(parents=True)
        (folder / "site" / name / "__init__.py").touch()
    found = folder / "python"
    found.write_text(f'#!/bin/sh\nPYTHONPATH={folder}/site exec {sys._base_executable} -S "$@"\n')  # type: ignore[attr-defined]
    found.chmod(0o755)
    return str(found)


def installed(commands: str) -> tuple[set[str], set[str]]:
    """Extras of this package, and other packages, that pip is told to install into the environment."""
    (line,) = re.findall(r"pip .* install (?:.* )?-e (.*)", commands)
    extras, *packages = line.replace("'", "").split()
    return set(extras.removeprefix(".[").removesuffix("]").split(",")), set(packages)


def test_a_fresh_clone_is_given_what_testing_a_gpu_takes(tmp_path: Path):
    extras, packages = installed(planned("test-gpu", tmp_path / "venv", python_beside(tmp_path)))
    assert {"cpu", "tensorrt-rtx"} <= extras and {"pytest", "pytest-timeout"} <= packages


def test_where_the_system_has_tensorrt_it_is_seen_and_no_other_is_installed(tmp_path: Path):
    commands = planned("test-gpu", tmp_path / "venv", python_beside(tmp_path, "tensorrt"))
    extras, packages = installed(commands)
    assert "tensorrt" in extras and "tensorrt-rtx" not in extras and "pytest" in packages
    assert f"-m venv --system-site-packages {tmp_path}/venv" in commands


def test_elsewhere_the_environment_sees_nothing_of_the_systems(tmp_path: Path):
    assert "--system-site-packages" not in planned("test-gpu", tmp_path / "venv", python_beside(tmp_path))


def test_what_a_developer_has_is_enough_for_testing_a_gpu(tmp_path: Path):
    (tmp_path / "bin").mkdir()
    python = python_beside(tmp_path)
    # In the order in which make would make them.
    for name in (".made-for-ros-from-wheels", ".installed-runtime", ".installed-development"):
        (tmp_path / name).touch()
    assert "install" not in planned("test-gpu", tmp_path, python)


@pytest.mark.parametrize("target", ["test-gpu", "bench"])
def test_one_quantised_copy_serves_the_report_and_the_bench(target: str, tmp_path: Path):
    (tmp_path / ".installed-development").touch()
    copy = tmp_path / "quantised" / "released.onnx"
    commands = planned(target, tmp_path, python_beside(tmp_path))
    assert f"gpu_report.py --quantised {copy}" in commands or f"bench --model {copy}" in commands
    assert ("quantise --out" in commands) == (target == "bench")  # the report makes it as a step of its own
