import json

import cv2
import numpy as np

from defocus_depth.cli import COMMANDS
from defocus_depth.commands.dispatch import main
from defocus_depth.stacks import find_stacks, read_stack

QUICK = ["--width", "64", "--samples-per-pixel", "2", "--threads", "1", "--focus-distances-m", "0.35", "inf"]


def simulate(*arguments: object) -> int:
    return main("defocus_depth", COMMANDS, ["simulate", *map(str, arguments)])


def test_stacks_of_consecutive_seeds_are_written(tmp_path):
    out, figures = tmp_path / "data", tmp_path / "figures.json"
    assert simulate(out, "--count", 2, "--seed", 41, *QUICK, "--json", figures) == 0
    stacks = [read_stack(path) for path in find_stacks(out)]
    assert [stack.source["seed"] for stack in stacks] == [41, 42]
    assert (stacks[0].camera.width, stacks[0].camera.height) == (64, 48)
    made = json.loads(figures.read_text())
    assert (made["stacks"], made["frames_per_stack"], made["rig"]) == (2, 2, "robot")


def test_photos_are_used(tmp_path):
    (tmp_path / "photos").mkdir()
    assert cv2.imwrite(str(tmp_path / "photos" / "a.png"), np.zeros((8, 8, 3), np.uint8))
    assert simulate(tmp_path / "data", "--count", 1, "--photos", tmp_path / "photos", *QUICK) == 0
    (path,) = find_stacks(tmp_path / "data")
    assert read_stack(path).source["photos"] == 1


def test_bad_usage_is_one_line_and_writes_nothing(tmp_path, capsys):
    out = tmp_path / "data"
    for arguments, message in (
        (["--count", 0], "--count: expected ≥ 1, got 0"),
        (["--width", 65], "expected the aspect ratio 320:240, got 65x48"),
        (["--seed", -1], "expected 0 ≤ seed"),
        (["--seed", 10_000_000], "seed: expected 0 ≤ seed < 10000000, where training's begin, got 10000000..10000019"),
        (["--seed", 9_999_999, "--count", 2], "expected 0 ≤ seed < 10000000"),
        (["--photos", tmp_path / "none"], "expected a folder with pictures"),
        (["--samples-per-pixel", 0], "samples_per_pixel: expected ≥ 1, got 0"),
        (["--focus-distances-m", 0.005], "expected beyond the focal length 0.008 m"),
    ):
        assert simulate(out, *arguments) == 2
        assert message in capsys.readouterr().err
    assert not out.exists()
