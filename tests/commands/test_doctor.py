"""`doctor`: what it finds on broken machines, and what it tells to do."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from defocus_depth.cli import COMMANDS
from defocus_depth.commands.checks import system
from defocus_depth.commands.checks.model import check_backends, check_model
from defocus_depth.commands.checks.system import RosInstallation, check_cv_bridge, check_dds_profile, check_ros
from defocus_depth.commands.dispatch import main
from defocus_depth.errors import install_hint

JAZZY = RosInstallation("7.1.5", "rmw_fastrtps_cpp")
KILTED = RosInstallation("9.1.2", "rmw_fastrtps_cpp")

PROFILE = """<?xml version="1.0" encoding="UTF-8"?>
<profiles xmlns="http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles">
  <transport_descriptors>
    <transport_descriptor><transport_id>shm</transport_id><type>SHM</type>{segment}</transport_descriptor>
    {udp}
  </transport_descriptors>
</profiles>
"""
UDP = "<transport_descriptor><transport_id>udp</transport_id><type>UDPv4</type></transport_descriptor>"


def segment(size: object) -> str:
    return f"<segment_size>{size}</segment_size>"


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function (content) that writes a profile and points Fast DDS 2's variable to it."""

    def write(content: str) -> Path:
        path = tmp_path / "profile.xml"
        path.write_text(content)
        monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", str(path))
        return path

    return write


@pytest.fixture
def fake_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function (name, code) that puts a module of this name first on the path of child processes."""

    def write(name: str, code: str) -> None:
        folder = tmp_path / "modules"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(code)
        monkeypatch.setenv("PYTHONPATH", str(folder))

    return write


def test_whole_model_and_backends(tiny_model: Path):
    check, artifact = check_model(tiny_model)
    assert (check.status, check.fix) == ("ok", "")
    assert "supervised by ground truth; abs_rel 0.5" in check.found
    checks = {check.name: check for check in check_backends(artifact)}
    assert checks["backend openvino"].status == checks["backend onnxruntime"].status == "ok"
    assert "f32, 96x64 px in" in checks["backend openvino"].found
    assert checks["backend torch"].status == "note" and "--format pt2" in checks["backend torch"].found
    assert checks["backend auto"].found == "takes openvino"


def test_missing_model_is_an_error(tmp_path: Path):
    check, artifact = check_model(tmp_path / "none.onnx")
    assert check.status == "error" and "which is not there" in check.found and check.fix
    assert [(backend.status, backend.found) for backend in check_backends(artifact)] == [
        ("error", "not tried: no model")
    ]


def test_no_backend_is_an_error(tiny_model: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("defocus_depth.commands.checks.model.AUTO_ORDER", ("torch_cuda",))
    auto = check_backends(check_model(tiny_model)[1])[-1]
    assert (auto.name, auto.status, auto.fix) == ("backend auto", "error", install_hint("cpu"))


def test_a_graph_that_no_backend_takes_is_not_for_want_of_backends(tiny_model: Path, tmp_path: Path):
    graph = tmp_path / "broken.onnx"
    graph.write_bytes(tiny_model.read_bytes()[:-100])
    sidecar = json.loads(tiny_model.with_suffix(".json").read_text())
    sidecar["sha256"] = hashlib.sha256(graph.read_bytes()).hexdigest()
    graph.with_suffix(".json").write_text(json.dumps(sidecar))
    checks = {check.name: check for check in check_backends(check_model(graph)[1])}
    assert checks["backend auto"].fix == "export the model again"
    assert "\n" not in checks["backend openvino"].found


def test_ros_that_imports(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    pytest.importorskip("rclpy")
    check, ros = check_ros()
    assert check.status == "ok" and ros is not None
    assert ros.middleware in check.found and ros.version in check.found


def test_release_is_known_by_version_or_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    assert (JAZZY.distro, KILTED.distro) == ("jazzy", "kilted")
    assert RosInstallation("0", "rmw_cyclonedds_cpp").distro == "unknown release"
    monkeypatch.setenv("ROS_DISTRO", "humble")
    assert JAZZY.distro == "humble"


def test_missing_ros_says_how_to_get_it(fake_module):
    fake_module("rclpy", "raise ModuleNotFoundError(\"No module named 'rclpy'\")")
    check, ros = check_ros()
    assert ros is None
    assert check.status == "error"
    assert check.found == "ModuleNotFoundError: No module named 'rclpy'"
    assert install_hint("ros") in check.fix and "source /opt/ros" in check.fix


def test_cv_bridge_is_not_needed(fake_module):
    fake_module("cv_bridge", "raise ModuleNotFoundError(\"No module named 'cv_bridge'\")")
    assert (check_cv_bridge().status, check_cv_bridge().fix) == ("note", "")


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("raise ImportError('numpy.core.multiarray failed to import')", "numpy.core.multiarray failed to import"),
        ("import os; os.abort()", "ended the process"),
    ],
)
def test_cv_bridge_that_breaks_is_a_warning(fake_module, code: str, found: str):
    fake_module("cv_bridge", code)
    check = check_cv_bridge()
    assert check.status == "warning" and found in check.found and "numpy<2" in check.fix


def test_cv_bridge_that_imports(fake_module):
    fake_module("cv_bridge", "")
    assert check_cv_bridge().status == "ok"


def test_profile_with_room_for_images(profile):
    path = profile(PROFILE.format(segment=segment(32 * 2**20), udp=UDP))
    check = check_dds_profile(JAZZY)
    assert (check.status, check.found, check.fix) == ("ok", f"FASTRTPS_DEFAULT_PROFILES_FILE={path}", "")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (PROFILE.format(segment=segment(524288), udp=UDP), "expected segment_size ≥ 33554432 bytes, got 524288"),
        (PROFILE.format(segment="", udp=UDP), "expected segment_size ≥ 33554432 bytes, got the default"),
        (PROFILE.format(segment=segment("big"), udp=UDP), "got big"),
        (PROFILE.format(segment=segment(2**25), udp=""), "expected a UDPv4 transport too"),
        ("<profiles/>", "expected a transport_descriptor of type SHM, got none"),
        ("<profiles>", "expected a readable XML file"),
    ],
)
def test_profile_that_drops_images_is_a_warning(profile, content: str, problem: str):
    profile(content)
    check = check_dds_profile(JAZZY)
    assert check.status == "warning" and problem in check.found
    assert "export FASTRTPS_DEFAULT_PROFILES_FILE=" in check.fix


def test_profile_that_is_not_there(profile):
    profile("").unlink()
    assert "expected a readable XML file" in check_dds_profile(JAZZY).found


def test_each_fast_dds_reads_its_own_variable(profile, monkeypatch: pytest.MonkeyPatch):
    path = profile(PROFILE.format(segment=segment(2**25), udp=UDP))
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
    assert check_dds_profile(KILTED).found.startswith("FASTDDS_DEFAULT_PROFILES_FILE is not set")
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(path))
    assert check_dds_profile(KILTED).status == "ok"


def test_profile_matters_to_fast_dds_only():
    assert check_dds_profile(RosInstallation("7.1.5", "rmw_cyclonedds_cpp")).status == "note"
    assert check_dds_profile(None).status == "note"


def test_old_python_is_an_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(system, "OLDEST_PYTHON", (99, 1))
    check = system.check_python()
    assert (check.status, check.fix) == ("error", "use Python 99.1 or newer")


def test_command_passes_on_a_sound_machine(
    tiny_model: Path, tmp_path: Path, fake_module, profile, capsys: pytest.CaptureFixture[str]
):
    pytest.importorskip("rclpy")
    fake_module("cv_bridge", "")
    profile(PROFILE.format(segment=segment(2**25), udp=UDP))
    written = tmp_path / "doctor.json"
    assert main("defocus_depth", COMMANDS, ["doctor", "--model", str(tiny_model), "--json", str(written)]) == 0
    report = json.loads(written.read_text())
    assert report["main_path_runs"] is True
    assert {"Python", "model", "backend auto", "ROS 2", "cv_bridge", "DDS profile"} <= {
        check["name"] for check in report["checks"]
    }
    assert "defocus_depth doctor" in capsys.readouterr().out


def test_command_fails_without_a_model(tmp_path: Path, fake_module, capsys: pytest.CaptureFixture[str]):
    fake_module("rclpy", "raise ImportError('no [DDS] library')")
    written = tmp_path / "doctor.json"
    arguments = ["doctor", "--model", str(tmp_path / "none.onnx"), "--json", str(written)]
    assert main("defocus_depth", COMMANDS, arguments) == 1
    report = json.loads(written.read_text())
    assert report["main_path_runs"] is False
    errors = {check["name"] for check in report["checks"] if check["status"] == "error"}
    assert errors == {"model", "backends", "ROS 2"}
    assert all(check["fix"] for check in report["checks"] if check["status"] in ("error", "warning"))
    assert "[DDS]" in capsys.readouterr().out  # brackets are text, not markup
