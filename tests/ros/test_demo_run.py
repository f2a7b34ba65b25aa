"""The whole demo, small: three processes over DDS, real network, real rendering."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from subprocess import PIPE

import cv2
import psutil
import pytest

from defocus_depth.cli import COMMANDS
from defocus_depth.commands.dispatch import main
from defocus_depth.evaluation.bags.reader import open_bag

pytest.importorskip("rclpy", reason="ROS 2 is not installed")
TIMEOUT_S = 400  # the first run compiles the renderer
pytestmark = [pytest.mark.slow, pytest.mark.timeout(TIMEOUT_S + 60)]

KEYS = (
    "frames_in frames_out dropped fps latency_ms_median latency_ms_p95 abs_rel abs_rel_constant rmse_m delta1 "
    "coc_mae_px valid_fraction backend model_sha256"
).split()
SMALL = ("--frames", "12", "--rate-hz", "3", "--width-px", "320", "--scenes", "1", "--threads", "1")

COMMAND = (sys.executable, "-c", "from defocus_depth.cli import run; run()", "demo")


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "120"}


def _demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "--out", str(folder / "out"), *options]
    process = subprocess.Popen(command, env=_environment(folder), stdout=PIPE, stderr=PIPE, text=True)
    try:
        out, complaints = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.terminate()  # where it hangs: it takes its children along
        process.wait(30)
    return subprocess.CompletedProcess(command, process.returncode, out, complaints)


def test_the_demo_writes_panel_bag_and_summary(tmp_path):
    done = _demo(tmp_path, *SMALL, "--json", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stdout + done.stderr
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["panel.png", "session.mcap", "summary.json"]
    figures = json.loads((out / "summary.json").read_text())
    assert figures == json.loads((tmp_path / "figures.json").read_text())
    assert sorted(figures) == sorted(KEYS)
    assert figures["frames_in"] == 12 and 4 <= figures["frames_out"] == 12 - figures["dropped"]
    assert figures["valid_fraction"] >= 0.99 and figures["latency_ms_median"] <= figures["latency_ms_p95"]
    assert len(figures["model_sha256"]) == 64 and figures["backend"] in done.stdout
    panel = cv2.imread(str(out / "panel.png"))
    assert panel is not None and panel.shape[1] > panel.shape[0] > 400
    with open_bag(out / "session.mcap") as bag:
        topics = [topic.name for topic in bag.topics]
        pictures = len(list(bag.messages(["/image"])))
    assert {"/image", "/lens_state", "/depth/depth/image", "/depth/defocus/image"} <= set(topics)
    assert 1 <= pictures <= 2


def test_a_node_that_refuses_to_start_ends_the_demo_with_its_words(tmp_path):
    done = _demo(tmp_path, *SMALL, "--threads", "999")
    assert done.returncode == 1
    assert "depth_node: expected to run, ended with exit code 2" in done.stderr
    assert "parameter threads: expected int 0..256" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--frames", "0", "--frames: expected at least 1, got 0"),
        ("--rate-hz", "0", "--rate-hz: expected 0.1..500, got 0.0"),
        ("--backend", "nonsense", "--backend: expected one of auto, "),
    ],
)
def test_what_no_demo_can_do_is_refused_before_anything_starts(capsys, option, value, expected):
    assert main("defocus_depth", COMMANDS, ["demo", option, value]) == 2
    assert expected in capsys.readouterr().err


def test_ending_it_ends_what_it_started(tmp_path):
    process = subprocess.Popen(
        [*COMMAND, "--out", str(tmp_path / "out"), *SMALL], env=_environment(tmp_path), stderr=PIPE
    )
    try:
        deadline = time.monotonic() + TIMEOUT_S
        while len(children := psutil.Process(process.pid).children()) < 2:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.1)
    finally:
        process.terminate()
        _, complaints = process.communicate(timeout=60)
    assert process.returncode == 130 and complaints == b"defocus_depth demo: interrupted\n"
    assert not any(child.is_running() for child in children)
