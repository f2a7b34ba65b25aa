"""The executable as a process: signals end it with exit code 0, bad parameters with 2 and one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from defocus_depth.ros.parameters import DepthNodeParameters, parameter_specs  # noqa: E402

COMMAND = [sys.executable, "-m", "defocus_depth.ros.depth_node", "--ros-args"]


def start(*parameters: str, output: Path) -> subprocess.Popen[bytes]:
    arguments = [part for parameter in parameters for part in ("-p", parameter)]
    with output.open("wb") as file:
        return subprocess.Popen([*COMMAND, *arguments], stdout=file, stderr=subprocess.STDOUT, env=os.environ)


def wait_for(text: str, output: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while text not in output.read_text():
        assert process.poll() is None and time.monotonic() < deadline, output.read_text()
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_an_active_node_cleanly(number: signal.Signals, tiny_model: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    process = start(
        "autostart:=true", "lens_file:=robot", f"model:={tiny_model}", "backend:=onnxruntime", output=output
    )
    try:
        wait_for("(active)", output, process)
        process.send_signal(number)
        assert process.wait(60) == 0
    finally:
        process.kill()
    text = output.read_text()
    assert "Traceback" not in text and "ERROR" not in text, text


def test_the_log_says_once_why_auto_did_not_take_a_faster_backend(tiny_model: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    process = start("autostart:=true", "lens_file:=robot", f"model:={tiny_model}", output=output)
    try:
        wait_for("(active)", output, process)
    finally:
        process.kill()
    lines = [line for line in output.read_text().splitlines() if "[depth]: backend torch_cuda not used: " in line]
    assert len(lines) == 1 and lines[0].startswith("[INFO]"), output.read_text()


def test_bad_parameters_end_the_executable_with_one_line(tmp_path: Path) -> None:
    output = tmp_path / "output"
    process = start("min_confidence:=7.0", output=output)
    assert process.wait(120) == 2
    lines = output.read_text().splitlines()
    assert len(lines) == 1 and "parameter min_confidence: expected float 0..1" in lines[0], lines


def test_a_signal_that_arrives_while_a_callback_publishes_ends_the_node_cleanly() -> None:
    import rclpy
    from rclpy.node import Node
    from std_msgs.msg import Header

    from defocus_depth.ros.executable import run_node

    def create() -> Node:
        node = rclpy.create_node("interrupted")
        publisher = node.create_publisher(Header, "header", 1)

        def callback() -> None:
            rclpy.shutdown()  # as the signal handler does
            publisher.publish(Header())

        node.create_timer(0.01, callback)
        return node

    assert run_node(create, DepthNodeParameters, []) == 0


def test_a_bug_in_a_callback_is_not_hidden() -> None:
    import rclpy
    from rclpy.node import Node

    from defocus_depth.ros.executable import run_node

    def create() -> Node:
        node = rclpy.create_node("buggy")
        node.create_timer(0.01, lambda: 1 / 0)
        return node

    with pytest.raises(ZeroDivisionError):
        run_node(create, DepthNodeParameters, [])


def outcome(*arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the depth node's executable."""
    command = [sys.executable, "-m", "defocus_depth.ros.depth_node", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **environment})
    return done.returncode, done.stdout, done.stderr


def test_help_lists_every_parameter() -> None:
    code, text, _ = outcome("--help")
    assert code == 0 and text.startswith("usage: ")
    assert all(f"\n  {spec.name} (default {spec.default!r}" in text for spec in parameter_specs())


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["--nonsense"], {}, "expected no arguments but those behind --ros-args, got ['--nonsense']"),
        (["--ros-args", "--params-file", "/nowhere.yaml"], {}, "/nowhere.yaml"),
        (["--ros-args", "-p", "foo"], {}, "Couldn't parse parameter override rule: '-p foo'"),
        (["--ros-args", "-p", "use_sim_time:=3"], {}, "use_sim_time"),
        ([], {"ROS_DOMAIN_ID": "abc"}, "ROS_DOMAIN_ID"),
    ],
)
def test_arguments_that_ros_does_not_take_end_the_executable_with_one_line(
    arguments: list[str], environment: dict[str, str], expected: str
) -> None:
    code, _, errors = outcome(*arguments, **environment)
    assert code == 2 and expected in errors and "Traceback" not in errors
    assert len([line for line in errors.splitlines() if "depth_node" in line]) == 1, errors
