"""The simulated camera's recording, and the way from it to figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from defocus_depth.cli import COMMANDS
from defocus_depth.commands.dispatch import main

SMALL = ("--width-px", "96", "--scenes", "1", "--views-per-scene", "2", "--samples-per-pixel", "4")
TOPICS = ("--image-topic", "/image", "--camera-info-topic", "/camera_info", "--lens-state-topic", "/lens_state")
TRUTH = ("--ground-truth-topic", "/ground_truth/depth/image")


def command(*arguments: object) -> int:
    return main("defocus_depth", COMMANDS, [*map(str, arguments)])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_recording_is_the_same_when_made_again_and_can_be_evaluated(tmp_path: Path, tiny_model: Path) -> None:
    bags = [tmp_path / name / "tour.mcap" for name in "ab"]
    for bag in bags:
        assert command("simulate-bag", bag, "--frames", 3, *SMALL, "--json", tmp_path / "made.json") == 0
    assert bags[0].read_bytes() == bags[1].read_bytes()
    assert json.loads((tmp_path / "made.json").read_text())["frames"] == 3
    arguments = ("--lens", "robot", "--model", tiny_model, "--json", tmp_path / "f.json")
    assert command("evaluate-bag", bags[0], *TOPICS, *TRUTH, *arguments) == 0
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["n"] == 3 and 0 < figures["abs_rel"] < 5 and figures["per_stack"][0]["left_out"] == {}


def test_a_bag_that_exists_is_replaced_only_when_asked(tmp_path: Path, capsys) -> None:
    bag = tmp_path / "tour.mcap"
    bag.write_text("precious")
    assert command("simulate-bag", bag, "--frames", 1, *SMALL) == 2 and bag.read_text() == "precious"
    assert "tour.mcap: expected the name of a new bag (or --overwrite)" in capsys.readouterr().err
    assert command("simulate-bag", bag, "--frames", 1, *SMALL, "--overwrite") == 0 and bag.stat().st_size > 1000


def test_sweeps_of_static_views_serve_depth_from_focus(tmp_path: Path) -> None:
    bag, foci_m = tmp_path / "sweeps", (0.35, 0.6, 1.0, 2.0, 4.0)
    assert command("simulate-bag", bag, "--frames", 10, *SMALL, "--focus-distances-m", *foci_m) == 0
    arguments = ("--lens", "robot", "--method", "dff_sml", "--json", tmp_path / "f.json")
    assert command("evaluate-bag", bag, *TOPICS, *TRUTH, *arguments) == 0
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["n"] == 10 and figures["abs_rel"] < 0.8


def test_what_no_camera_does_is_refused(tmp_path: Path, capsys) -> None:
    cases = {
        ("--frames", 0): "frames: expected ≥ 1, got 0",
        ("--scenes", 0): "scenes: expected at least 1, got 0",
        ("--views-per-scene", 0): "views_per_scene: expected at least 1, got 0",
        ("--rate-hz", 0): "rate_hz: expected above 0 and at most 1000, got 0",
        ("--focus-distances-m", -1): "focus_distances_m: expected > 0, inf allowed",
        ("--focus-distances-m", 0.001): "focal length",
    }
    for arguments, expected in cases.items():
        assert command("simulate-bag", tmp_path / "x.mcap", *SMALL, *arguments) == 2
        assert expected in capsys.readouterr().err
