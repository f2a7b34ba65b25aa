"""Child processes: environment, watching, measuring, stopping."""

import os
import time

import pytest

from defocus_depth.errors import ProcessError
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


def test_dds_environment_has_the_profile_under_both_names(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    environment = dds_environment(42, tmp_path)
    assert environment["ROS_DOMAIN_ID"] == "42" and environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    profile = environment["FASTRTPS_DEFAULT_PROFILES_FILE"]
    assert profile == environment["FASTDDS_DEFAULT_PROFILES_FILE"] and os.path.isfile(profile)
    monkeypatch.setenv("ROS_DISTRO", "humble")
    assert dds_environment(42, tmp_path)["ROS_LOCALHOST_ONLY"] == "1"
