"""Python, ROS 2, cv_bridge and the Fast DDS profile, looked at without importing ROS into this process."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from ...errors import ConfigError, install_hint
from ...ros.processes import profile_variable
from ...share import share_path
from . import Check

OLDEST_PYTHON = (3, 10)
ROS_MODULES = ("rclpy", "sensor_msgs.msg", "diagnostic_msgs.msg", "lifecycle_msgs.msg")
SEGMENT_BYTES = 32 * 2**20  # with Fast DDS's default of 512 KiB most VGA images are lost
PROFILE = "fastdds_shm.xml"
_DISTROS = {3: "humble", 4: "iron", 7: "jazzy", 9: "kilted"}  # by rclpy's major version
_INSTALL_ROS = f"{install_hint('ros')} (x86-64), or source /opt/ros/<distro>/setup.bash"

# Run in a child: a cv_bridge or DDS library built for something else can end its process.
_PROBE = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
report = {}
if "rclpy" in sys.modules:
    from importlib.metadata import PackageNotFoundError, version
    from rclpy.utilities import get_rmw_implementation_identifier
    try:
        found = version("rclpy")
    except PackageNotFoundError:
        found = "0"
    report = {"version": found, "middleware": get_rmw_implementation_identifier()}
print(json.dumps(report))
"""


@dataclass(frozen=True)
class RosInstallation:
    """rclpy's version ("0" where its metadata are missing) and the middleware it loads."""

    version: str
    middleware: str

    @property
    def major(self) -> int:
        """rclpy's major version."""
        return int(self.version.split(".")[0])

    @property
    def distro(self) -> str:
        """By the environment, else by rclpy's version."""
        return os.environ.get("ROS_DISTRO") or _DISTROS.get(self.major, "unknown release")


def check_python() -> Check:
    """The interpreter's version."""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    if sys.version_info >= OLDEST_PYTHON:
        return Check("Python", "ok", found)
    return Check("Python", "error", found, f"use Python {'.'.join(map(str, OLDEST_PYTHON))} or newer")


def check_ros() -> tuple[Check, RosInstallation | None]:
    """Whether rclpy and the node's message packages import, and what they are."""
    report, problem = _probe(*ROS_MODULES)
    if report is None:
        return Check("ROS 2", "error", problem, _INSTALL_ROS), None
    ros = RosInstallation(**report)
    return Check("ROS 2", "ok", f"{ros.distro}, rclpy {ros.version}, {ros.middleware}"), ros


def check_cv_bridge() -> Check:
    """cv_bridge is welcome, not needed; one that is there but does not import is worth a word."""
    report, problem = _probe("cv_bridge")
    if report is not None:
        return Check("cv_bridge", "ok", "imports")
    if problem.startswith("ModuleNotFoundError: No module named 'cv_bridge'"):
        return Check("cv_bridge", "note", "not installed: the built-in adapter is used")
    return Check(
        "cv_bridge",
        "warning",
        f"does not import, the built-in adapter is used: {problem}",
        "apt's cv_bridge wants 'numpy<2' beside it",
    )


def check_dds_profile(ros: RosInstallation | None) -> Check:
    """Whether Fast DDS is told to use a shared-memory segment that holds images."""
    name = "DDS profile"
    if ros is None:
        return Check(name, "note", "not looked at: no ROS 2")
    if "fastrtps" not in ros.middleware:
        return Check(name, "note", f"not needed by {ros.middleware}")
    variable = profile_variable(ros.major)
    advice = f"export {variable}={_own_profile()} for the camera driver too (our launch files set it)"
    if not (path := os.environ.get(variable)):
        return Check(name, "warning", f"{variable} is not set: most images will be dropped", advice)
    problem = _profile_problem(Path(path))
    if problem:
        return Check(name, "warning", f"{variable}={path}: {problem}", advice)
    return Check(name, "ok", f"{variable}={path}")


def _profile_problem(path: Path) -> str:
    """What is wrong with a Fast DDS profile for images; empty when nothing is."""
    try:
        descriptors = _local(ElementTree.parse(path).getroot(), "transport_descriptor")
    except (OSError, ElementTree.ParseError) as error:
        return f"expected a readable XML file: {error}"
    kinds = {_text(descriptor, "type"): descriptor for descriptor in descriptors}
    if "SHM" not in kinds:
        return f"expected a transport_descriptor of type SHM, got {', '.join(kinds) or 'none'}"
    segment = _text(kinds["SHM"], "segment_size")
    if not segment.isdigit() or int(segment) < SEGMENT_BYTES:
        return f"expected segment_size ≥ {SEGMENT_BYTES} bytes, got {segment or 'the default'}"
    if "UDPv4" not in kinds:
        return "expected a UDPv4 transport too: without it other machines are cut off"
    return ""


def _local(element: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    """Descendants by tag, whatever the profile's XML namespace (it differs between Fast DDS 2 and 3)."""
    return [child for child in element.iter() if child.tag.rpartition("}")[2] == tag]


def _text(element: ElementTree.Element, tag: str) -> str:
    return next(((child.text or "").strip() for child in _local(element, tag)), "")


def _own_profile() -> str:
    try:
        return str(share_path("config", PROFILE))
    except ConfigError:
        return f"<share>/config/{PROFILE}"


def _probe(*modules: str) -> tuple[dict[str, str] | None, str]:
    """What a child that imports `modules` reports; or None and the last line of its complaint."""
    try:
        command = [sys.executable, "-c", _PROBE, *modules]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return None, f"importing {', '.join(modules)} took more than 60 s"
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1]), ""
    complaint = done.stderr.strip().splitlines()
    return None, complaint[-1] if complaint else f"importing {', '.join(modules)} ended the process ({done.returncode})"
