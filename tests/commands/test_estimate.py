from __future__ import annotations

import json
import math
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from defocus_depth.cli import COMMANDS
from defocus_depth.commands.dispatch import main
from defocus_depth.optics.lens_file import LensFile, write_lens
from defocus_depth.stacks import write_stack
from defocus_depth.types import CameraIntrinsics, FocalStack, Frame, LensParameters

LENS = LensParameters(blur_gain_px_per_dpt=4.0)
LEVEL = 100
DEPTH_M = 1 / (0.5 + 2 * LEVEL / 255)  # what tiny_model makes of that brightness
IMAGE = np.full((64, 96, 3), LEVEL, np.uint8)


def estimate(*arguments: object) -> int:
    return main("defocus_depth", COMMANDS, ["estimate", *map(str, arguments)])


@pytest.fixture
def image(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "photo.png"), IMAGE)
    return tmp_path / "photo.png"


@pytest.fixture
def lens(tmp_path: Path) -> Path:
    write_lens(tmp_path / "lens.yaml", LensFile(LENS, near_focus_distance_m=0.5))
    return tmp_path / "lens.yaml"


def test_metric_depth_of_an_image(tmp_path: Path, tiny_model: Path, image: Path, lens: Path, capsys) -> None:
    out, file = tmp_path / "out", tmp_path / "f.json"
    known = ("--lens", lens, "--focus-distance-m", 0.4)
    assert estimate(image, *known, "--out", out, "--model", tiny_model, "--json", file) == 0
    np.testing.assert_allclose(tifffile.imread(out / "photo_depth.tiff"), DEPTH_M, rtol=0.01)
    np.testing.assert_allclose(tifffile.imread(out / "photo_coc.tiff"), 4 * (1 / 0.4 - 1 / DEPTH_M), atol=0.05)
    figures = json.loads(file.read_text())
    (entry,) = figures["frames"]
    assert len(figures["model_sha256"]) == 64 and figures["backend"] and figures["precision"] == "f32"
    assert (entry["name"], entry["metric"], entry["width"], entry["height"]) == ("photo", True, 96, 64)
    assert (entry["focus_dpt"], entry["blur_gain_px_per_dpt"]) == (pytest.approx(2.5), pytest.approx(4.0))
    assert entry["depth_m"]["p50"] == pytest.approx(DEPTH_M, rel=0.01)
    assert {path.name for path in out.iterdir()} == set(entry["files"].values())
    assert "relative" not in capsys.readouterr().out


def test_lens_in_numbers(tmp_path: Path, tiny_model: Path, image: Path) -> None:
    numbers = ("--focal-length-m", 8e-3, "--f-number", 1.4, "--pixel-pitch-m", 12e-6, "--focus-distance-m", "inf")
    assert estimate(image, *numbers, "--out", tmp_path, "--model", tiny_model, "--json", tmp_path / "f.json") == 0
    (entry,) = json.loads((tmp_path / "f.json").read_text())["frames"]
    assert entry["focus_dpt"] == 0.0 and entry["blur_gain_px_per_dpt"] == pytest.approx(64e-6 / (1.4 * 12e-6))


def test_a_lens_by_name_and_its_near_focus_where_none_is_given(
    tmp_path: Path, tiny_model: Path, image: Path, lens: Path, capsys
) -> None:
    file = tmp_path / "f.json"
    for name, focus_m in (("robot", 0.35), ("nyu", 1), (lens, 0.5)):
        assert estimate(image, "--lens", name, "--out", tmp_path, "--model", tiny_model, "--json", file) == 0
        (entry,) = json.loads(file.read_text())["frames"]
        assert entry["metric"] and entry["focus_dpt"] == pytest.approx(1 / focus_m)
        said = f"1 of them are taken to be focused at {focus_m:g} m, the lens YAML's near_focus_distance_m"
        assert said in capsys.readouterr().out


def test_what_a_stack_says_itself_is_not_taken_from_the_command_line_silently(
    tmp_path: Path, tiny_model: Path, image: Path, lens: Path, capsys
) -> None:
    camera = CameraIntrinsics(96, 64, 100.0, 100.0, 47.5, 31.5)
    frames = (Frame("000.png", 0.35), Frame("001.png", math.inf))
    write_stack(tmp_path / "stack", FocalStack(Path(), frames, LENS, camera), [IMAGE] * 2)
    out = ("--out", tmp_path / "out", "--model", tiny_model)
    assert estimate(tmp_path / "stack", image, *out, "--lens", lens, "--focus-distance-m", 0.4) == 0
    said = capsys.readouterr().out
    assert "2 of them are of stacks that name their lens: that of the command line was not used" in said
    assert "2 of them are of stacks that say what is known of their focus: --focus-distance-m was not used" in said
    assert estimate(tmp_path / "stack", *out) == 0
    assert "of them" not in capsys.readouterr().out


def test_no_input_is_refused_before_the_model_is_loaded(tmp_path: Path, capsys) -> None:
    assert estimate("--out", tmp_path / "out", "--model", tmp_path / "none.onnx") == 2
    assert "inputs: expected images, stack folders or videos, got none" in capsys.readouterr().err


@pytest.mark.parametrize("known", [(), ("--lens", "plain.yaml"), ("--focus-distance-m", 0.4)])
def test_unknown_focus_or_lens_is_called_relative(
    tmp_path: Path, tiny_model: Path, image: Path, capsys, monkeypatch, known: tuple
) -> None:
    write_lens(tmp_path / "plain.yaml", LensFile(LENS))
    monkeypatch.chdir(tmp_path)
    assert estimate(image, *known, "--out", "out", "--model", tiny_model, "--json", "f.json") == 0
    (entry,) = json.loads(Path("f.json").read_text())["frames"]
    assert entry["metric"] is False and "relative_depth" in entry
    assert not {"depth_m", "focus_dpt", "blur_gain_px_per_dpt"} & set(entry)
    assert sorted(path.name for path in Path("out").glob("*depth*")) == [
        "photo_relative_depth.png",
        "photo_relative_depth.tiff",
    ]
    said = capsys.readouterr().out
    assert "1 of them are relative, not metres" in said and "or near_focus_distance_m in the lens YAML" in said


def test_stacks_and_twins_together(tmp_path: Path, tiny_model: Path, image: Path) -> None:
    frames = (Frame("000.png", 0.35), Frame("001.png", math.inf))
    camera = CameraIntrinsics(96, 64, 100.0, 100.0, 47.5, 31.5)
    write_stack(tmp_path / "stack", FocalStack(Path(), frames, LENS, camera), [IMAGE] * 2)
    arguments = (image, tmp_path / "stack", image, "--out", tmp_path / "out", "--model", tiny_model)
    assert estimate(*arguments, "--json", tmp_path / "f.json") == 0
    entries = json.loads((tmp_path / "f.json").read_text())["frames"]
    assert [entry["name"] for entry in entries] == ["photo", "stack/000", "stack/001", "photo_2"]
    assert [entry["metric"] for entry in entries] == [False, True, True, False]
    assert (tmp_path / "out" / "stack" / "001_depth_mm.png").exists()


def test_what_was_written_before_bad_input_stays(tmp_path: Path, tiny_model: Path, image: Path, capsys) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(image.read_bytes()[:60])
    assert estimate(image, bad, "--out", tmp_path / "out", "--model", tiny_model) == 2
    assert "bad.png: expected an 8- or 16-bit image" in capsys.readouterr().err
    assert (tmp_path / "out" / "photo_relative_depth.tiff").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--lens", "lens.yaml", "--f-number", 2), "lens: expected --lens, or --focal-length-m .*, got both"),
        (("--f-number", 2), "expected focal_length_m, f_number and pixel_pitch_m"),
        (("--lens", "no.yaml"), "no.yaml: expected a readable lens YAML"),
        (("--lens", "nolens"), "lens: expected one of macro, nyu, robot"),
        (("--focus-distance-m", -1), "focus_distance_m: expected > 0"),
        (
            ("--focal-length-m", 0.5, "--f-number", 2, "--pixel-pitch-m", 1e-6, "--focus-distance-m", 0.4),
            "beyond the focal",
        ),
        (("--model", "no.onnx"), "no.onnx"),
    ],
)
def test_refusals_are_one_line_and_exit_2(
    tmp_path: Path, image: Path, lens: Path, capsys, monkeypatch, arguments: tuple, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert estimate(image, "--out", "out", *arguments) == 2
    complaint = capsys.readouterr().err.strip().splitlines()[-1]
    assert complaint.startswith("defocus_depth estimate: ")
    assert re.search(message, complaint)
    assert not (tmp_path / "out").exists()
