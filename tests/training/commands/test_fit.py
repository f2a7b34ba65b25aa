"""`defocus_training fit` from the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from plyfile import PlyData

from defocus_depth.commands.dispatch import main
from defocus_depth.image_files import read_image
from defocus_depth.stacks import write_stack
from defocus_depth.types import CameraIntrinsics, FocalStack, Frame, LensParameters
from defocus_training.cli import COMMANDS

LENS = LensParameters(blur_gain_px_per_dpt=6.0)
FILES = {"depth.npy", "depth.png", "confidence.npy", "confidence.png", "all_in_focus.png", "splats.ply", "panel.png"}


def write_wall(folder: Path, metric: bool = True) -> Path:
    """Three 64x48 frames of a textured wall in focus at the second."""
    rng = np.random.default_rng(0)
    camera = CameraIntrinsics(64, 48, 80.0, 80.0, 31.5, 23.5)
    frames = tuple(
        Frame(f"{index}.png", focus_m) if metric else Frame(f"{index}.png", focus_coordinate=1 / focus_m)
        for index, focus_m in enumerate((0.5, 1.0, 2.0))
    )
    sharp = rng.integers(40, 200, (48, 64, 3)).astype(np.uint8)
    blurred = np.rint(np.mean([np.roll(sharp, (y, x), (0, 1)) for y in (-1, 0, 1) for x in (-1, 0, 1)], 0))
    images = [blurred.astype(np.uint8), sharp, blurred.astype(np.uint8)]
    depth_m = np.ones((48, 64), np.float32) if metric else None
    write_stack(folder, FocalStack(folder, frames, LENS if metric else None, camera, metric=metric), images, depth_m)
    return folder


def run(*arguments: object) -> int:
    return main("defocus_training", COMMANDS, ["fit", *map(str, arguments)])


def test_every_stack_gets_its_files_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_wall(tmp_path / "stacks" / "wall")
    write_wall(tmp_path / "stacks" / "unknown", metric=False)
    assert run(tmp_path / "stacks", "--out", tmp_path / "fits", "--json", tmp_path / "all.json") == 0
    wall = tmp_path / "fits" / "wall"
    assert FILES | {"fit.json", "checkpoint.npz"} == {path.name for path in wall.iterdir()}
    depth_m = np.load(wall / "depth.npy")
    assert depth_m.shape == (48, 64) and depth_m.dtype == np.float32
    assert read_image(wall / "all_in_focus.png").shape == (48, 64, 3)
    assert len(PlyData.read(wall / "splats.ply")["vertex"].data) == 48 * 64
    figures = json.loads((tmp_path / "all.json").read_text())
    assert [stack["name"] for stack in figures["stacks"]] == ["unknown", "wall"]
    assert figures["stacks"][1]["truth"]["abs_rel"] == pytest.approx(float(np.abs(depth_m - 1).mean()), rel=1e-4)
    assert "wall" in capsys.readouterr().out


def test_nothing_of_a_stack_without_distances_is_called_metres(tmp_path: Path) -> None:
    stack = write_wall(tmp_path / "unknown", metric=False)
    assert run(stack, "--out", tmp_path / "fits", "--leave-out", 1) == 0
    folder = tmp_path / "fits" / "unknown"
    assert not (folder / "depth.npy").exists() and (folder / "focus_coordinate.npy").exists()
    figures = json.loads((folder / "fit.json").read_text())
    assert figures["truth"] is None and figures["metric"] is False and figures["gain_px_per_unit"] > 0
    assert figures["held_out"][0]["frame"] == 1
    assert PlyData.read(folder / "splats.ply").comments == ["unit none, relative depth"]


def test_a_second_run_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    stack, out = write_wall(tmp_path / "wall"), tmp_path / "fits"
    assert run(stack, "--out", out) == 0
    first, checkpoint = np.load(out / "wall" / "depth.npy"), out / "wall" / "checkpoint.npz"
    written = checkpoint.stat().st_mtime_ns
    (out / "wall" / "depth.npy").unlink()
    assert run(stack, "--out", out) == 0
    assert checkpoint.stat().st_mtime_ns == written
    np.testing.assert_array_equal(np.load(out / "wall" / "depth.npy"), first)


def test_a_stack_that_cannot_be_fitted_keeps_no_other_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        write_wall(tmp_path / "stacks" / name)
    (tmp_path / "stacks" / "a" / "1.png").write_bytes(b"no picture")
    (tmp_path / "stacks" / "b" / "depth.npy").unlink()
    assert run(tmp_path / "stacks", "--out", tmp_path / "fits", "--json", tmp_path / "all.json") == 2
    said = capsys.readouterr()
    assert f"a not fitted: {tmp_path / 'stacks' / 'a' / '1.png'}: expected" in said.err
    assert all(f" {name} " in said.out for name in "bc") and " a " not in said.out
    told = json.loads((tmp_path / "all.json").read_text())
    assert [(stack["name"], stack["truth"] is None) for stack in told["stacks"]] == [("b", True), ("c", False)]
    assert (tmp_path / "fits" / "b" / "fit.json").exists()


@pytest.mark.parametrize("change", ["reference_frame", "psf_kappa"])
def test_another_lens_or_frame_of_reference_is_another_fit(tmp_path: Path, change: str) -> None:
    stack, out = write_wall(tmp_path / "wall"), tmp_path / "fits"
    assert run(stack, "--out", out, "--psf", "gaussian") == 0
    with np.load(out / "wall" / "checkpoint.npz") as kept:
        before = str(kept["key"])
    told = json.loads((stack / "stack.json").read_text())
    told.update({"reference_frame": 1} if change == "reference_frame" else {})
    told["lens"].update({"psf_kappa": 0.3} if change == "psf_kappa" else {})
    (stack / "stack.json").write_text(json.dumps(told))
    assert run(stack, "--out", out, "--psf", "gaussian") == 0
    with np.load(out / "wall" / "checkpoint.npz") as kept:
        assert str(kept["key"]) != before


def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stack = write_wall(tmp_path / "wall")
    assert run(stack, "--out", tmp_path / "fits", "--leave-out", 9) == 2
    assert capsys.readouterr().err.strip() == "defocus_training fit: leave-out: expected frame indices 0..2, got 9"
    assert run(stack, "--out", tmp_path / "fits", "--working-width-px", 0) == 2
    assert capsys.readouterr().err.strip() == "defocus_training fit: working-width-px: expected ≥ 1, got 0"
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty", "--out", tmp_path / "fits") == 2
    assert "expected focal stacks, got none in" in capsys.readouterr().err
