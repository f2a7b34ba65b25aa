"""`defocus_training capture` from the command line, and what is asked of a person."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from defocus_depth.commands.dispatch import main
from defocus_depth.errors import ConfigError
from defocus_depth.stacks import read_stack, validate_stack
from defocus_training.capture import run, session
from defocus_training.capture.run import RunOptions
from defocus_training.cli import COMMANDS

SMALL = ["--simulated.width-px", "64", "--simulated.samples-per-pixel", "2", "--count", "3", "--frames-per-step", "2"]


def test_scenes_are_captured_and_told_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out, written = tmp_path / "out", tmp_path / "figures.json"
    arguments = ["capture", "--out", str(out), "--scenes", "2", "--bag", "--json", str(written), *SMALL]
    assert main("t", COMMANDS, [*arguments, "--temperature-c", "19.5"]) == 0
    told = json.loads(written.read_text())["stacks"]
    assert [Path(stack["path"]).name for stack in told] == ["scene_000", "scene_001"]
    assert all(validate_stack(Path(stack["path"])) == [] and stack["frames"] == 4 for stack in told)
    assert read_stack(out / "scene_000").frames[0].temperature_c == 19.5
    assert (out / "scene_001.mcap").exists() and (out / "coverage.png").exists()
    assert "scene_001: 4 frames" in capsys.readouterr().err.replace("\n", "")
    assert main("t", COMMANDS, arguments) == 0
    assert json.loads(written.read_text())["stacks"] == []  # nothing was missing


def test_every_scene_has_its_bag_as_soon_as_it_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out = tmp_path / "out"
    arguments = ["capture", "--out", str(out), *SMALL]
    assert main("t", COMMANDS, [*arguments, "--scenes", "1"]) == 0 and not list(out.glob("*.mcap"))
    made: list[list[str]] = []  # before each scene
    monkeypatch.setattr(
        session, "check_disk_space", lambda out, recipe: made.append([bag.name for bag in sorted(out.glob("*.mcap"))])
    )
    assert main("t", COMMANDS, [*arguments, "--scenes", "3", "--bag"]) == 0
    assert made == [["scene_000.mcap"], ["scene_000.mcap", "scene_001.mcap"]]
    assert (out / "scene_002.mcap").exists()
    (out / "scene_001.mcap").unlink()
    kept = (out / "scene_000.mcap").stat().st_mtime_ns
    assert main("t", COMMANDS, [*arguments, "--scenes", "3", "--bag"]) == 0
    assert (out / "scene_001.mcap").exists() and (out / "scene_000.mcap").stat().st_mtime_ns == kept


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frames-per-step", "0"], "frames_per_step: expected 1..256, got 0"),
        (["--motion-retries", "-1"], "motion_retries: expected 0..100, got -1"),
        (["--pause-s", "-1"], "--pause-s: expected ≥ 0, got -1"),
        (["--temperature-c", "nan"], "temperature_c: expected a finite number, got nan"),
        (["--scenes", "0"], "--scenes: expected ≥ 1, got 0"),
        (["--near-m", "0.4"], "expected a lens file with a focus_curve"),
        (["--lens", "none.yaml"], "none.yaml: expected a readable lens YAML"),
        (["--lens", "nolens"], "lens: expected one of macro, nyu, robot"),
        (["--camera", "v4l2"], "camera: expected auto with the driver simulated, got v4l2"),
        (["--driver", "v4l2", "--v4l2.device", "/dev/video99"], "/dev/video99: expected a V4L2 camera"),
        (["--driver", "manual"], "driver manual: expected a terminal"),
    ],
)
def test_what_cannot_be_captured_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    assert main("t", COMMANDS, ["capture", "--out", str(tmp_path / "out"), *SMALL, *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("t capture: ") and error.count("\n") == 1


def test_people_are_asked_on_a_terminal_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    console = Console(file=io.StringIO())
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    run._ask(console, RunOptions(tmp_path, 3), 0, "scene_000")  # the robot stands where it stands
    with pytest.raises(ConfigError, match="--pause-s: expected a time to move the robot"):
        run._ask(console, RunOptions(tmp_path, 3), 1, "scene_001")
    with pytest.raises(ConfigError, match="expected a time to put the target at 1 m"):
        run._ask(console, RunOptions(tmp_path, 1, tasks=("put the target at 1 m",)), 0, "scene_000")
    run._ask(console, RunOptions(tmp_path, 3, pause_s=0.0), 1, "scene_001")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    asked: list[str] = []
    monkeypatch.setattr(console, "input", asked.append)
    run._ask(console, RunOptions(tmp_path, 3), 1, "scene_001")
    assert asked == ["scene_001: move the robot, then press Enter: "]


def test_capture_and_calibrate_load_no_torch():
    code = (
        "import sys, importlib\n"
        "for name in ('commands.capture', 'commands.calibrate', 'capture.drivers.simulated', 'calibration.report'):\n"
        "    importlib.import_module('defocus_training.' + name)\n"
        "assert 'torch' not in sys.modules and 'rclpy' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
