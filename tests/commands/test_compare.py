from __future__ import annotations

import json
from pathlib import Path

import pytest

from defocus_depth.cli import COMMANDS
from defocus_depth.commands.dispatch import main


def compare(*arguments: object) -> int:
    return main("defocus_depth", COMMANDS, ["compare", *map(str, arguments)])


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = []
    for name, error in (("old", 0.3), ("new", 0.2)):
        stack = {"name": "s", "n": 1, "abs_rel": error, "rmse_m": error, "delta1": 1 - error}
        figures = {"method": "network", "frames": "first", "masked": None, "per_stack": [stack], **stack}
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(figures))
    return paths


def test_tables_page_and_json(files: list[Path], tmp_path: Path, capsys) -> None:
    assert compare(*files, "--report", tmp_path / "page.html", "--json", tmp_path / "out.json") == 0
    shown = capsys.readouterr().out
    assert "-0.100" in shown and "compared with old" in shown and "sign test" in shown
    assert "Comparison with old" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "out.json").read_text())["baseline"] == "old"


def test_one_line_for_bad_input(files: list[Path], tmp_path: Path, capsys) -> None:
    assert compare(files[0]) == 2
    assert "expected at least two evaluations" in capsys.readouterr().err
    (tmp_path / "bad.json").write_text("{}")
    assert compare(files[0], tmp_path / "bad.json") == 2
    error = capsys.readouterr().err
    assert "bad.json: method: expected a value, got nothing" in error and len(error.strip().splitlines()) == 1
