"""`defocus_training import-stack`: pictures become a stack without metres."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from defocus_depth.commands.dispatch import main
from defocus_depth.stacks import load_image, read_stack
from defocus_training.cli import COMMANDS


def write_pictures(folder: Path, count: int = 5) -> Path:
    folder.mkdir()
    for index in range(count):
        cv2.imwrite(str(folder / f"{index:02d}.png"), np.full((40, 60, 3), 10 * index, np.uint8))
    (folder / "notes.txt").write_text("no picture")
    return folder


def run(*arguments: object) -> int:
    return main("defocus_training", COMMANDS, ["import-stack", *map(str, arguments)])


def test_nearest_focus_comes_first_and_nothing_is_metric(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "pictures")
    assert run(pictures, tmp_path / "stack", "--nearest", "last", "--every", 2, "--width-px", 30) == 0
    stack = read_stack(tmp_path / "stack")
    assert [load_image(stack, index)[0, 0, 0] for index in range(3)] == [40, 20, 0]
    assert [frame.focus_coordinate for frame in stack.frames] == [2, 1, 0]
    assert (stack.metric, stack.lens, stack.reference_frame) == (False, None, 1)
    assert (stack.camera.width, stack.camera.height) == (30, 20)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--every", "9"), "expected at least 2 pictures, got 1"),
        (("--pattern", "03*"), "expected at least 2 pictures, got 1"),
        (("--every", "0"), "every: expected >= 1, got 0"),
        (("--reference-frame", "5"), "reference frame: expected -1..4, got 5"),
    ],
)
def test_refusals_say_what_was_expected(tmp_path: Path, capsys, arguments, message: str) -> None:
    assert run(write_pictures(tmp_path / "pictures"), tmp_path / "stack", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "stack").exists()


def test_pictures_of_another_size_are_refused(tmp_path: Path, capsys) -> None:
    pictures = write_pictures(tmp_path / "pictures")
    cv2.imwrite(str(pictures / "09.png"), np.zeros((41, 60, 3), np.uint8))
    assert run(pictures, tmp_path / "stack") == 2
    assert "09.png: expected (40, 60, 3) like 00.png, got (41, 60, 3)" in capsys.readouterr().err
