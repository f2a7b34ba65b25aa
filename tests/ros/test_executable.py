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

    assert run_node(create, []) == 0


def test_a_bug_in_a_callback_is_not_hidden() -> None:
    import rclpy
    from rclpy.node import Node

    from defocus_depth.ros.executable import run_node

    def create() -> Node:
        node = rclpy.create_node("buggy")
        node.create_timer(0.01, lambda: 1 / 0)
        return node

    with pytest.raises(ZeroDivisionError):
        run_node(create, [])
