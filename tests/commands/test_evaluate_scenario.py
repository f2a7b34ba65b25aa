from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from bag_maker import BagMaker

from defocus_depth.cli import COMMANDS
from defocus_depth.commands.dispatch import main


@pytest.fixture
def scenario(tmp_path: Path, tiny_model: Path):
    """A function (conditions, second="night") → scenario file of the bags day and `second`; day and night exist."""
    for name, levels in (("day", (40, 200)), ("night", (40, 40, 40))):
        maker = BagMaker()
        maker.frames(levels)
        maker.write(tmp_path / name)
    (tmp_path / "lens.yaml").write_text("lens: {blur_gain_px_per_dpt: 4.0}\nnear_focus_distance_m: 0.35\n")

    def make(conditions: str, second: str = "night") -> Path:
        path = tmp_path / "hallway.yaml"
        topics = "image_topic: /image, ground_truth_topic: /depth"
        bags = f"[{{path: day, {topics}}}, {{path: {second}, {topics}}}]"
        path.write_text(f"lens: lens.yaml\nmodel: {tiny_model}\nbags: {bags}\nconditions: {conditions}\n")
        return path

    return make


def evaluate(*arguments: object) -> int:
    return main("defocus_depth", COMMANDS, ["evaluate-scenario", *map(str, arguments)])


def test_a_release_that_passes(scenario, tmp_path: Path, capsys) -> None:
    path = scenario("[{figure: abs_rel, at_most: 0.05}, {figure: drops, at_most: 0}, {figure: delta1, at_least: 1}]")
    files = {name: tmp_path / name for name in ("junit", "frames", "json")}
    assert evaluate(path, *(part for name, file in files.items() for part in (f"--{name}", file))) == 0
    suite = ElementTree.parse(files["junit"]).getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("5", "0", "0")
    lines = [json.loads(line) for line in files["frames"].read_text().splitlines()]
    assert len(lines) == 1 + 5 + 1 and lines[-1]["Result"]["Success"]
    figures = json.loads(files["json"].read_text())
    assert [(stack["name"], stack["n"]) for stack in figures["per_stack"]] == [("day", 2), ("night", 3)]
    assert "FAILED" not in capsys.readouterr().out


def test_a_release_that_does_not(scenario, tmp_path: Path, capsys) -> None:
    path = scenario("[{figure: abs_rel, at_most: 0.05}, {figure: rmse_m, at_most: 0.0}]")
    assert evaluate(path, "--junit", tmp_path / "junit") == 1
    assert ElementTree.parse(tmp_path / "junit").getroot()[0].get("failures") == "1"
    assert "FAILED" in capsys.readouterr().out


def test_a_bag_that_cannot_be_read_fails_the_scenario_and_not_the_others(scenario, tmp_path: Path, capsys) -> None:
    path = scenario("[{figure: abs_rel, at_most: 0.05}]", second="dusk")
    outcome = [part for name in ("junit", "json", "frames") for part in (f"--{name}", tmp_path / name)]
    assert evaluate(path, *outcome) == 1
    suite = ElementTree.parse(tmp_path / "junit").getroot()[0]
    assert (suite.get("errors"), suite.get("failures")) == ("1", "0")
    assert json.loads((tmp_path / "json").read_text())["n"] == 2
    last = json.loads((tmp_path / "frames").read_text().splitlines()[-1])["Result"]
    assert not last["Success"] and last["Summary"].startswith("Failed: Failed dusk: ")
    said = capsys.readouterr()
    reason = "dusk: expected a rosbag2 folder, .mcap, .db3 or .bag file, found nothing"
    assert reason in said.err and "FAILED dusk: " in said.out and reason in said.out


def test_what_only_a_bag_s_evaluation_tells_fails_it_and_not_the_others(scenario, tmp_path: Path) -> None:
    path = scenario("[{figure: abs_rel, at_most: 0.05}]")
    path.write_text(path.read_text().replace("path: night,", "path: night, extrinsics: none.yaml,"))
    assert evaluate(path, "--junit", tmp_path / "junit", "--json", tmp_path / "json") == 1
    assert ElementTree.parse(tmp_path / "junit").getroot()[0].get("errors") == "1"
    assert json.loads((tmp_path / "json").read_text())["n"] == 2


def test_a_scenario_that_is_none_is_bad_input(tmp_path: Path, capsys) -> None:
    assert evaluate(tmp_path / "none.yaml") == 2
    assert "none.yaml: expected a readable scenario YAML" in capsys.readouterr().err
