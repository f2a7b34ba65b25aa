"""Child processes: environment, watching, measuring, stopping."""

import os
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError

import pytest

from defocus_depth.errors import ProcessError
from defocus_depth.ros import processes
from defocus_depth.ros.processes import NodeProcess, dds_environment


@pytest.fixture
def start(tmp_path):
    """Starts Python code as a module of its own."""

    def start(code: str) -> NodeProcess:
        (tmp_path / "child_for_test.py").write_text(code)
        return NodeProcess("child_for_test", ["--flag"], {"PYTHONPATH": str(tmp_path)}, tmp_path / "log.txt")

    return start


def _wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_ends_on_sigint_when_the_block_does(start, tmp_path):
    code = (
        "import sys, time\nprint(sys.argv[1:], flush=True)\ntry: time.sleep(60)\nexcept KeyboardInterrupt: print('bye')"
    )
    with start(code) as child:
        _wait_until(lambda: "--flag" in child.last_words())
        child.check()
        assert child.running and child.cpu_s() >= 0
    assert not child.running
    assert (tmp_path / "log.txt").read_text() == "['--flag']\nbye\n"


def test_one_that_does_not_listen_is_killed(start, monkeypatch):
    monkeypatch.setattr("defocus_depth.ros.processes._STOP_S", 0.2)
    code = (
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(60)"
    )
    with start(code) as child:
        _wait_until(lambda: child.last_words() == "deaf")
    assert not child.running


STARTED_UNDER_A_SIGNAL = """
import pathlib, signal, subprocess, sys
from defocus_depth.ros.processes import NodeProcess
signal.signal(signal.SIGTERM, {handler})
children, popen = [], subprocess.Popen
def disturbed(*args, **options):
    children.append(popen(*args, **options))
    signal.raise_signal(signal.SIGTERM)
    return children[0]
subprocess.Popen = disturbed
try:
    with NodeProcess("http.server", ["0", "--bind", "127.0.0.1"], {{}}, pathlib.Path(sys.argv[1])) as child:
        print("runs:", child.running)
except KeyboardInterrupt:
    print("left behind:", children[0].poll() is None, signal.getsignal(signal.SIGTERM) == {handler})
"""


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        ("signal.default_int_handler", "left behind: False True"),  # as in the demo
        ("signal.SIG_IGN", "runs: True"),  # as SIGINT in a shell's background jobs
    ],
)
def test_a_signal_while_it_starts_leaves_no_child_behind(tmp_path, handler, told):
    program = STARTED_UNDER_A_SIGNAL.format(handler=handler)  # in a process of its own: signals are the whole process's
    command = [sys.executable, "-c", program, str(tmp_path / "log.txt")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.returncode) == (told, 0), done.stderr


def test_a_child_of_a_background_job_ends_on_sigint_too(tmp_path):
    (tmp_path / "child_for_test.py").write_text(
        "import time\ntry:\n    print('up', flush=True)\n    time.sleep(60)\nexcept KeyboardInterrupt: print('bye')"
    )
    program = """
import pathlib, signal, sys, time
from defocus_depth.ros.processes import NodeProcess
signal.signal(signal.SIGINT, signal.SIG_IGN)
folder = pathlib.Path(sys.argv[1])
with NodeProcess("child_for_test", [], {"PYTHONPATH": str(folder)}, folder / "log.txt") as child:
    while child.last_words() != "up":
        time.sleep(0.02)
print(child.last_words(), signal.getsignal(signal.SIGINT) == signal.SIG_IGN)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.returncode) == ("up / bye True", 0), done.stderr


def test_a_failure_is_told_with_its_last_words(start):
    with start("import sys\nprint('one\\ntwo\\nthree\\nfour')\nsys.exit(3)") as child:
        _wait_until(lambda: not child.running)
        with pytest.raises(
            ProcessError, match="child_for_test: expected to run, ended with exit code 3: two / three / four"
        ):
            child.check()


def test_cpu_time_grows_with_work(start):
    with start("while True: pass") as child:
        _wait_until(lambda: child.cpu_s() > 0.2)


@pytest.mark.parametrize(
    ("rclpy", "read", "other"),
    [
        ("3.3.15", "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"),
        ("7.1.6", "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"),
        ("9.1.2", "FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"),
        (None, "FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"),
    ],
)
def test_the_profile_has_the_name_that_this_ros_reads(tmp_path, monkeypatch, rclpy: str | None, read: str, other: str):
    def version(_name: str) -> str:
        if rclpy is None:
            raise PackageNotFoundError
        return rclpy

    monkeypatch.setattr(processes, "version", version)
    environment = dds_environment(42, tmp_path)
    assert os.path.isfile(environment[read]) and other not in environment


def test_dds_environment_keeps_to_this_machine_and_domain(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    environment = dds_environment(42, tmp_path)
    assert environment["ROS_DOMAIN_ID"] == "42" and environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    monkeypatch.setenv("ROS_DISTRO", "humble")
    assert dds_environment(42, tmp_path)["ROS_LOCALHOST_ONLY"] == "1"
