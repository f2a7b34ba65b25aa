"""Interrupted sessions: no finished frame is lost, the next run goes on, settings are restored."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from defocus_depth.errors import ConfigError, DeviceError, StackError
from defocus_depth.stacks import load_image, validate_stack
from defocus_depth.types import CameraIntrinsics
from defocus_training.capture import session
from defocus_training.capture.session import session_camera

Make = Callable[..., Any]
SCENES = 3


def frames_on_disk(folder: Path) -> dict[str, bytes]:
    """The pictures of unfinished scenes."""
    return {path.name: path.read_bytes() for path in (folder / ".unfinished").rglob("[0-9]*.png")}


def test_a_session_takes_scene_after_scene(make_session: Make, make_bench: Make, tmp_path: Path):
    stacks = list(make_session(make_bench(), scenes=SCENES))
    assert [stack.name for stack in stacks] == ["scene_000", "scene_001", "scene_002"]
    assert all(validate_stack(stack.path) == [] for stack in stacks)
    assert not np.array_equal(load_image(stacks[0], 0), load_image(stacks[1], 0))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coverage.png", *(stack.name for stack in stacks)]
    assert list(make_session(make_bench(), scenes=SCENES)) == []  # nothing is missing


def test_an_unplugged_camera_ends_the_session_and_a_new_one_goes_on(
    make_session: Make, make_bench: Make, tmp_path: Path
):
    def unplug(now_s: float, radiance: np.ndarray) -> np.ndarray:
        if now_s > 2.0:
            raise DeviceError("/dev/video0: expected a picture, got [Errno 19] No such device")
        return radiance

    done = []
    with pytest.raises(DeviceError, match="No such device"):
        done.extend(make_session(make_bench(unplug), scenes=SCENES))
    finished, kept = sorted(path.name for path in tmp_path.glob("scene_*")), frames_on_disk(tmp_path)
    assert finished == ["scene_000"] and kept
    rest = list(make_session(make_bench(), scenes=SCENES))
    assert [stack.name for stack in rest] == ["scene_001", "scene_002"]
    assert validate_stack(rest[0].path) == [] and not (tmp_path / ".unfinished").exists()
    assert {name: (rest[0].path / name).read_bytes() for name in kept} == kept


@pytest.mark.parametrize("full_after", [2, 9])
def test_a_full_disk_ends_the_session_and_room_lets_it_go_on(
    make_session: Make, make_bench: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full_after: int
):
    calls = {"written": 0}
    really = os.fsync

    def sync(descriptor: int) -> None:
        calls["written"] += 1
        if calls["written"] > full_after:
            raise OSError(errno.ENOSPC, "No space left on device")
        really(descriptor)

    monkeypatch.setattr("os.fsync", sync)
    with pytest.raises(StackError, match="No space left"):
        list(make_session(make_bench(), scenes=2))
    kept = frames_on_disk(tmp_path)
    assert kept and not (tmp_path / "scene_000" / "stack.json").exists()
    monkeypatch.undo()
    stacks = list(make_session(make_bench(), scenes=2))
    assert [validate_stack(stack.path) for stack in stacks] == [[], []]
    assert {name: (stacks[0].path / name).read_bytes() for name in kept} == kept


def test_a_view_that_changed_meanwhile_begins_the_scene_anew(make_session: Make, make_bench: Make, tmp_path: Path):
    def unplug(now_s: float, radiance: np.ndarray) -> np.ndarray:
        if now_s > 0.9:
            raise DeviceError("unplugged")
        return radiance

    with pytest.raises(DeviceError):
        list(make_session(make_bench(unplug)))
    kept = frames_on_disk(tmp_path)
    (stack,) = make_session(make_bench(seed=7))
    aside = tmp_path / ".unfinished" / "scene_000.aside-1"
    assert {path.name: path.read_bytes() for path in aside.glob("[0-9]*.png")} == kept
    assert all((stack.path / name).read_bytes() != content for name, content in kept.items())


def test_a_disk_without_room_for_a_scene_is_refused_beforehand(
    make_session: Make, make_bench: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    usage = type(shutil.disk_usage(tmp_path))(10**9, 10**9 - 10**6, 10**6)
    monkeypatch.setattr(session.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(StackError, match=r"expected \d+ MiB free for a scene, got 1 MiB"):
        list(make_session(make_bench()))
    assert not (tmp_path / ".unfinished").exists()


def test_a_folder_that_cannot_be_made_is_refused(make_session: Make, make_bench: Make, tmp_path: Path):
    tmp_path.rmdir()
    tmp_path.write_text("a file")
    with pytest.raises(StackError, match="expected a folder that can be written, got"):
        list(make_session(make_bench()))


def test_intrinsics_are_scaled_or_refused(make_bench: Make, monkeypatch: pytest.MonkeyPatch):
    rig = make_bench().open()
    picture = rig.camera.next_image()
    assert session_camera(rig, None, picture)[1] == "camera"
    known = CameraIntrinsics(960, 720, 4000.0, 4000.0, 479.5, 359.5)
    camera, origin = session_camera(rig, known, picture)
    assert (camera.width, camera.fx, origin) == (96, 400.0, "lens file")
    with pytest.raises(ConfigError, match="expected the aspect ratio of 96x72, got 960x540"):
        session_camera(rig, CameraIntrinsics(960, 540, 1.0, 1.0, 0.0, 0.0), picture)
    monkeypatch.setattr(type(rig.camera), "intrinsics", lambda self: None)
    assert session_camera(rig, None, picture)[1] == "nominal: not calibrated"


# A session in a process of its own; its camera writes down when its settings are restored.
CHILD = """
import sys
from pathlib import Path
from defocus_training.capture.drivers import opening, simulated

class Slow(simulated.SimulatedBench):
    def picture(self):
        __import__("time").sleep(0.004)
        return super().picture()
    def open(self):
        rig = super().open()
        rig.camera.close = lambda: Path(sys.argv[1], "restored").write_text("yes")
        return rig

simulated.SimulatedBench = Slow
from defocus_depth.commands.dispatch import main
from defocus_training.cli import COMMANDS
arguments = ["capture", "--driver", "simulated", "--out", sys.argv[1] + "/out", "--simulated.width-px", "64",
             "--simulated.samples-per-pixel", "1", "--scenes", "10", "--count", "4", "--json", sys.argv[1] + "/json"]
sys.exit(main("defocus_training", COMMANDS, arguments))
"""


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_is_ended_in_a_ten_stack_session_loses_no_frame(tmp_path: Path, signal_number: int):
    out = tmp_path / "out"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not ((out / "scene_001").exists() and len(frames_on_disk(out)) >= 2):
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    child.send_signal(signal_number)
    _, complaint = child.communicate(timeout=60)
    finished = [path for path in sorted(out.glob("scene_*")) if (path / "stack.json").exists()]
    kept = frames_on_disk(out)
    assert len(finished) < 10 and all(validate_stack(path) == [] for path in finished)
    if signal_number == signal.SIGKILL:
        assert child.returncode == -signal.SIGKILL
    else:
        assert child.returncode == 130 and (tmp_path / "restored").exists() and "interrupted" in complaint
    before = {path: (path / "stack.json").read_bytes() for path in finished}
    subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], check=True, capture_output=True, timeout=150)
    stacks = sorted(out.glob("scene_*"))
    assert len(stacks) == 10 and all(validate_stack(path) == [] for path in stacks)
    assert {path: (path / "stack.json").read_bytes() for path in finished} == before
    resumed = stacks[len(finished)]
    assert {name: (resumed / name).read_bytes() for name in kept if (resumed / name).exists()} == kept
    assert len(json.loads((tmp_path / "json").read_text())["stacks"]) == 10 - len(finished)
