"""`defocus_training stack-pool`: what it says is what README says, and it refuses before it fits."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from defocus_depth.commands.dispatch import main
from defocus_training.cli import COMMANDS
from defocus_training.commands.stack_pool import REFINE
from defocus_training.fitting import stack_pool

README = Path(__file__).resolve().parents[3] / "README.md"


def test_the_training_command_it_prints_is_readmes() -> None:
    (line,) = re.findall(r"^defocus_training train(?:.*\\\n)*.*", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert line.partition("#")[0].replace("\\\n", " ").split() == REFINE.format(pool="pool", held_out="N").split()


def test_the_command_is_told_with_the_pool_and_the_shards_to_hold_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("defocus_training.commands.stack_pool.stack_paths", lambda folders: [])
    monkeypatch.setattr(stack_pool, "divided", lambda fits, count: ([SimpleNamespace(frames=[0])] * 7, []))
    monkeypatch.setattr(stack_pool, "write_stack_pool", lambda folder, held_out, training: None)
    assert stack_pool_command(tmp_path / "pool", tmp_path) == 0
    said = capsys.readouterr().err
    assert REFINE.format(pool=tmp_path / "pool", held_out=7) in said and "held_out_shards=7" in said


def test_a_folder_that_holds_a_pool_is_refused_before_anything_is_fitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted: list[Path] = []
    monkeypatch.setattr("defocus_training.commands.stack_pool.stack_paths", lambda folders: [tmp_path])
    monkeypatch.setattr("defocus_training.fitting.capture.read_capture", fitted.append)
    (tmp_path / "shard-000000.npz").touch()
    assert stack_pool_command(tmp_path, tmp_path) == 2
    assert "expected a folder without shards, got one that holds a pool" in capsys.readouterr().err
    assert fitted == []


def stack_pool_command(out: Path, stacks: Path) -> int:
    return main("t", COMMANDS, ["stack-pool", str(stacks), "--out", str(out), "--fits", str(stacks / "fits")])
