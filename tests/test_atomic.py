import os
from pathlib import Path

import pytest

from defocus_depth.atomic import check_place, replacing
from defocus_depth.errors import ConfigError


def test_takes_the_place_of_the_old_file_when_done(tmp_path):
    target = tmp_path / "new" / "figures.txt"
    for text in ("first", "second"):
        with replacing(target) as partial:
            partial.write_text(text)
            assert partial != target and partial.parent == target.parent
    assert [(path.name, path.read_text()) for path in target.parent.iterdir()] == [("figures.txt", "second")]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "figures.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), replacing(target) as partial:
        partial.write_text("half of")
        raise RuntimeError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("figures.txt", "old")]


def test_what_an_interrupted_process_of_the_same_number_left_is_in_nobodys_way(tmp_path):
    """Process numbers come again: in containers, after a loss of power, nearly always."""
    target, partials = tmp_path / "figures.txt", set()
    (tmp_path / f".figures.txt.{os.getpid()}.partial").write_text("left behind")
    for _ in range(2):
        with replacing(target) as partial:
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
                file.write("new")
            partials.add(Path(partial))
    assert target.read_text() == "new" and len(partials) == 2


def test_where_a_file_can_be_written_is_known_before_and_nothing_is_made(tmp_path):
    check_place(tmp_path / "new" / "deep" / "figures.txt")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    for path, expected in (
        (tmp_path, "got a folder"),
        (tmp_path / "file" / "x", "place to write to, got .*file"),
        (tmp_path / ("x" * 300) / "y", "place to write to, got .*name too long"),
    ):
        with pytest.raises(ConfigError, match=expected):
            check_place(path)
