"""Python's logging in the node's log: each severity as it is, from INFO on, and only as long as the node runs."""

from __future__ import annotations

import logging

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rclpy.logging import get_logger  # noqa: E402

from defocus_depth.ros.log_bridge import library_log_in  # noqa: E402


def test_each_severity_arrives_in_any_order(capfd: pytest.CaptureFixture[str]) -> None:
    ours, library = logging.getLogger("defocus_depth.inference.backends"), logging.getLogger("defocus_depth")
    before = library.level, list(library.handlers)
    with library_log_in(get_logger("bridged")):
        for _ in range(2):
            ours.info("backend %s not used", "one")
            ours.warning("engine refused")
            ours.error("broken")
            ours.debug("detail")
    ours.error("after the end")
    lines = [line for line in "".join(capfd.readouterr()).splitlines() if "[bridged]" in line]
    assert [line.split()[0] for line in lines] == ["[INFO]", "[WARN]", "[ERROR]"] * 2
    assert lines[0].endswith("[bridged]: backend one not used") and lines[1].endswith("[bridged]: engine refused")
    assert (library.level, list(library.handlers)) == before
