from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from defocus_depth.stacks import validate_stack


def test_a_good_stack_has_no_problems(folder: Path) -> None:
    assert validate_stack(folder) == []


def test_tells_every_field_problem_at_once(folder: Path, samples) -> None:
    frames = [{"file": "../a.png", "focus_distance_m": 1.0}, {"file": "b.png", "focus_distance_m": 0.5}]
    samples.edit_json(folder, frames=frames, reference_frame=7)
    problems = validate_stack(folder)
    assert len(problems) == 3
    for problem, field in zip(
        problems, ("frames[0].file", "reference_frame", "frames[1].focus_distance_m"), strict=True
    ):
        assert problem.startswith(f"{folder / 'stack.json'}: {field}: expected")


def test_tells_every_bad_file(folder: Path) -> None:
    (folder / "000.png").unlink()
    (folder / "001.png").write_bytes(b"not a picture")
    cv2.imwrite(str(folder / "002.png"), np.zeros((3, 3, 3), np.uint8))
    np.save(folder / "depth.npy", np.full((8, 12), 1j))
    problems = validate_stack(folder)
    assert [problem.split(": ")[0] for problem in problems] == [
        str(folder / name) for name in ("000.png", "001.png", "002.png", "depth.npy")
    ]


def test_tells_mixed_pixel_formats(folder: Path) -> None:
    cv2.imwrite(str(folder / "002.png"), np.zeros((8, 12), np.uint16))
    (problem,) = validate_stack(folder)
    assert problem.endswith("002.png: pixels: expected RGB uint8 as in the frames before, got mono uint16")


def test_tells_depths_that_are_none(folder: Path, samples) -> None:
    depth_m = samples.depth_m().astype(np.float64)
    depth_m[2, :2] = 0.0, np.inf
    np.save(folder / "depth.npy", depth_m)
    dtype, values = validate_stack(folder)
    assert dtype.endswith("depth.npy: dtype: expected float32, got float64")
    assert values.endswith("expected metres > 0, or NaN where unknown, got 2 other pixels")
