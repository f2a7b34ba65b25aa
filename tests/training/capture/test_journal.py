"""An unfinished scene on the disk: nothing finished is lost, nothing half-written is believed."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.errors import StackError
from defocus_training.capture.journal import Journal
from defocus_training.capture.step import StepPicture

PLAN = {"positions": (3.0, 2.0), "frames_per_step": 2}


def picture(level: int) -> StepPicture:
    return StepPicture(np.full((6, 8, 3), level, np.uint16), 5.0 - level, 100 + level, 0.5, 0.01, 2.0, ("motion",))


def filled(folder: Path, count: int = 3) -> Journal:
    journal = Journal(folder, PLAN)
    for step in range(count):
        journal.add(step, picture(step))
    return journal


def test_frames_are_found_again_with_all_that_is_known(tmp_path: Path):
    before = filled(tmp_path / "scene").taken
    after = Journal(tmp_path / "scene", PLAN)
    assert after.taken == before and after.taken[1].flags == ("motion",)
    assert np.array_equal(after.image(2), np.full((6, 8, 3), 2))
    after.remove()
    assert not (tmp_path / "scene").exists()


@pytest.mark.parametrize("cut", [1, 30])
def test_a_last_line_that_was_cut_off_is_dropped_and_written_anew(tmp_path: Path, cut: int):
    filled(tmp_path / "scene")
    file = tmp_path / "scene" / "journal.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    resumed = Journal(tmp_path / "scene", PLAN)
    assert len(resumed.taken) == (3 if cut == 1 else 2)  # without its newline the line is still whole
    resumed.add(len(resumed.taken), picture(7))
    again = Journal(tmp_path / "scene", PLAN)
    assert again.taken == resumed.taken and again.taken[-1].stamp_ns == 107


def test_a_line_without_its_picture_ends_what_is_believed(tmp_path: Path):
    filled(tmp_path / "scene")
    (tmp_path / "scene" / "001.png").write_bytes(b"half a pict")
    assert [frame.step for frame in Journal(tmp_path / "scene", PLAN).taken] == [0]


def test_frames_of_another_plan_are_set_aside_not_deleted(tmp_path: Path):
    filled(tmp_path / "scene")
    other = Journal(tmp_path / "scene", {**PLAN, "positions": (4.0, 2.0)})
    assert other.taken == []
    aside = tmp_path / "scene.aside-1"
    assert sorted(path.name for path in aside.glob("*.png")) == ["000.png", "001.png", "002.png"]
    other.add(0, picture(0))
    assert other.set_aside() == tmp_path / "scene.aside-2"


def test_a_full_disk_leaves_the_finished_frames_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    journal = filled(tmp_path / "scene", 2)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StackError, match=r"002\.png: expected a writable file, .*No space left"):
        journal.add(2, picture(2))
    monkeypatch.undo()
    assert sorted(path.name for path in (tmp_path / "scene").iterdir()) == ["000.png", "001.png", "journal.jsonl"]
    assert len(Journal(tmp_path / "scene", PLAN).taken) == 2


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="expected a writable folder"):
        Journal(tmp_path / "file" / "scene", PLAN)


def test_the_journal_is_lines_of_json(tmp_path: Path):
    filled(tmp_path / "scene", 1)
    lines = [json.loads(line) for line in (tmp_path / "scene" / "journal.jsonl").read_text().splitlines()]
    assert lines[0] == {"plan": {"positions": [3.0, 2.0], "frames_per_step": 2}}
    assert lines[1]["file"] == "000.png" and lines[1]["position"] == 5.0
