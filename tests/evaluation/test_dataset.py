from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.errors import ConfigError, StackError
from defocus_depth.evaluation.dataset import Sample, StackSamples, frame_indices
from defocus_depth.stacks import load_image, read_stack
from defocus_depth.types import LensParameters


@pytest.fixture
def data(tmp_path: Path, write_plane) -> Path:
    for name, depth_m in (("b", 0.8), ("a", 2.0)):
        write_plane(tmp_path / name, depth_m, reference_frame=2, transfer="linear")
    return tmp_path


@pytest.mark.parametrize(
    ("frames", "expected"), [("first", [0]), ("reference", [2]), ("all", [0, 1, 2, 3]), ("3", [3])]
)
def test_choice_of_frames(data: Path, frames: str, expected: list[int]) -> None:
    assert frame_indices(read_stack(data / "a"), frames) == expected
    samples = StackSamples(data, frames)
    assert len(samples) == 2 * len(expected) == len(list(samples)) == len(list(samples.truths_m()))


@pytest.mark.parametrize("frames", ["last", "-1", "1.0", ""])
def test_refuses_other_choices(data: Path, frames: str) -> None:
    with pytest.raises(ConfigError, match="expected first, reference, all, fused or an index, got"):
        StackSamples(data, frames)
    with pytest.raises(ConfigError, match=r"expected an index below 4 \(.*a\), got 4"):
        StackSamples(data, "4")


def test_samples_carry_what_the_stack_says(data: Path) -> None:
    first, second = StackSamples(data, "1")
    stack = read_stack(data / "a")
    assert (first.name, second.name, first.group) == ("a/001", "b/001", "a")
    assert (first.lens, first.focus_distance_m, first.transfer) == (stack.lens, 0.7, "linear")
    np.testing.assert_array_equal(first.image, load_image(stack, 1))
    assert np.isnan(first.truth_depth_m[0]).all() and (first.truth_depth_m[1:] == 2.0).all()
    assert first.origin is not None and (first.origin.stack.path, first.origin.index) == (data / "a", 1)


def test_one_stack_is_a_data_set_and_has_a_name_from_within(data: Path, monkeypatch) -> None:
    monkeypatch.chdir(data / "a")
    (sample,) = StackSamples(Path("."))
    assert (sample.name, sample.group) == ("a/000", "a")


def test_refuses_what_cannot_be_evaluated(tmp_path: Path, data: Path) -> None:
    json = data / "a" / "stack.json"
    json.write_text(json.read_text().replace('"ground_truth"', '"other"'))
    with pytest.raises(StackError, match=r"a/stack.json: ground_truth.depth: expected a depth file, got nothing"):
        StackSamples(data)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"empty: expected a folder of focal stacks"):
        StackSamples(tmp_path / "empty")


def test_refuses_relative_stacks(tmp_path: Path, write_plane) -> None:
    stack = write_plane(tmp_path / "s", 1.0)
    frames = tuple(dataclasses.replace(f, focus_coordinate=-i) for i, f in enumerate(stack.frames))
    write_plane(tmp_path / "relative" / "s", 1.0, metric=False, frames=frames)
    with pytest.raises(StackError, match=r"stack.json: metric: expected true"):
        StackSamples(tmp_path / "relative")


@pytest.mark.parametrize("focus_m", [0.35, math.inf])
def test_coc_of_truth_by_the_thin_lens(focus_m: float) -> None:
    """Against f²·|d − s| / (N·p·d·(s − f)), the textbook form, worked with the image twice the lens's width."""
    lens = LensParameters(focal_length_m=0.008, f_number=1.4, pixel_pitch_m=6e-6, image_width_px=320)
    truth_m = np.array([[0.5, 2.0, np.nan, 0.3] * 160], np.float32)
    sample = Sample("s", "s", np.zeros((1, 640), np.uint8), lens, focus_m, truth_m)
    depth_m = truth_m[0, :4].astype(float)
    aperture_m, pitch_m = 0.008 / 1.4, 3e-6
    if math.isinf(focus_m):
        expected = -aperture_m * 0.008 / depth_m / pitch_m
    else:
        expected = aperture_m * 0.008 / (focus_m - 0.008) * (depth_m - focus_m) / depth_m / pitch_m
    np.testing.assert_allclose(sample.truth.coc_px[0, :4], expected, rtol=1e-5)
