"""Nodes of ours as processes of their own: started, watched, measured and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from ..errors import ProcessError
from ..share import share_path

_STOP_S = 10.0
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
_FAST_DDS_3 = 9  # rclpy's major version in Kilted


def dds_environment(domain: int, log_folder: Path) -> dict[str, str]:
    """What makes ROS processes talk on this machine only, with a shared-memory segment that images fit into."""
    here_only = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    if os.environ.get("ROS_DISTRO") == "humble":
        here_only = {"ROS_LOCALHOST_ONLY": "1"}
    return {
        **here_only,
        "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
        "ROS_DOMAIN_ID": str(domain),
        "ROS_LOG_DIR": str(log_folder),
        profile_variable(_rclpy_major()): str(share_path("config", "fastdds_shm.xml")),
    }


def profile_variable(rclpy_major: int) -> str:
    """The environment variable that names Fast DDS's profile; each release warns of, or ignores, the other one.

    Args:
        rclpy_major: rclpy's major version, which tells Fast DDS 2 (up to Jazzy) from Fast DDS 3; 0 if not known.
    """
    return "FASTDDS_DEFAULT_PROFILES_FILE" if rclpy_major >= _FAST_DDS_3 else "FASTRTPS_DEFAULT_PROFILES_FILE"


def _rclpy_major() -> int:
    try:
        return int(version("rclpy").split(".")[0])
    except PackageNotFoundError:
        return 0


@contextmanager
def _interrupts_held() -> Iterator[list[int]]:
    """SIGINT and SIGTERM of the block are kept in a list: an interrupted Popen forgets the child that it has forked.

    Where SIGINT is ignored, as in a shell's background jobs, a child would inherit that, and SIGINT is what ends it: so
    here it is answered, by nothing.
    """
    held: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # no other is interrupted
        yield held
        return
    found = {number: signal.getsignal(number) for number in _INTERRUPTS}
    # Others end the process at once, are ignored, or are answered by a library's handler, which could not be set back.
    before: dict[signal.Signals, Any] = {number: handler for number, handler in found.items() if callable(handler)}
    for number in before:
        signal.signal(number, lambda late, _: held.append(late))
    if found[signal.SIGINT] is signal.SIG_IGN:
        before[signal.SIGINT] = signal.SIG_IGN
        signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield held
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class NodeProcess:
    """`python -m <module> <arguments>` from the block's start to its end, when it gets SIGINT, then SIGKILL.

    Args:
        log: file for what it prints.
    """

    def __init__(self, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = module.rpartition(".")[2]
        self._log = log
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = {**os.environ, **environment}

    def __enter__(self) -> NodeProcess:
        with self._log.open("wb") as output, _interrupts_held() as held:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            self._usage = psutil.Process(self._process.pid)
        if held:
            self._stop()
            signal.raise_signal(held[0])
            raise ProcessError(f"{self.name}: expected to start, was interrupted by signal {held[0]}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """Raise a ProcessError with its last words when it has ended with an error."""
        code = self._process.poll()
        if code:
            raise ProcessError(f"{self.name}: expected to run, ended with exit code {code}: {self.last_words()}")

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def cpu_s(self) -> float:
        """CPU time so far, user and system, s.

        Raises:
            ProcessError: it has ended.
        """
        try:
            times = self._usage.cpu_times()
        except psutil.NoSuchProcess as error:
            raise ProcessError(f"{self.name}: expected to run, has ended: {self.last_words()}") from error
        return times.user + times.system

    def last_words(self, lines: int = 3) -> str:
        """The last lines it printed."""
        printed = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return " / ".join(printed[-lines:]) or "nothing"
