from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.errors import StackError
from defocus_depth.stacks import load_frame_truth, load_image, load_registered_image, read_stack
from defocus_depth.types import Affine2x3, Frame

IDENTITY: Affine2x3 = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
RIGHT_2_DOWN_1: Affine2x3 = ((1.0, 0.0, 2.0), (0.0, 1.0, 1.0))  # a point at (x, y) lies at (x+2, y+1) in the reference


def frames(*affines: Affine2x3 | None) -> tuple[Frame, ...]:
    distances = (0.35, 1.0, math.inf)
    return tuple(Frame(f"{i}.png", distances[i], to_reference=affine) for i, affine in enumerate(affines))


@pytest.fixture
def shifted(tmp_path: Path, samples):
    return read_stack(samples.write(tmp_path / "s", frames=frames(IDENTITY, RIGHT_2_DOWN_1, None)).path)


def test_truth_follows_the_frame(shifted, samples) -> None:
    truth_m = samples.depth_m()
    np.testing.assert_array_equal(load_frame_truth(shifted, 0), truth_m)
    np.testing.assert_array_equal(load_frame_truth(shifted, 2), truth_m)
    moved = load_frame_truth(shifted, 1)
    assert moved is not None and moved.dtype == np.float32
    np.testing.assert_array_equal(moved[:-1, :-2], truth_m[1:, 2:])
    assert np.isnan(moved[-1]).all() and np.isnan(moved[:, -2:]).all()


def test_images_meet_in_the_target_frame(shifted) -> None:
    own, other = load_image(shifted, 0), load_image(shifted, 1)
    np.testing.assert_array_equal(load_registered_image(shifted, 1, 0)[1:, 2:], other[:-1, :-2])
    np.testing.assert_array_equal(load_registered_image(shifted, 0, 1)[:-1, :-2], own[1:, 2:])
    np.testing.assert_array_equal(load_registered_image(shifted, 1, 1), other)


def test_truth_of_another_reference_frame(tmp_path: Path, samples) -> None:
    stack = samples.write(tmp_path / "s", frames=frames(RIGHT_2_DOWN_1, IDENTITY, IDENTITY), reference_frame=2)
    moved = load_frame_truth(stack, 0)
    assert moved is not None
    np.testing.assert_array_equal(moved[:-1, :-2], samples.depth_m()[1:, 2:])


def test_refuses_a_flat_affine(tmp_path: Path, samples) -> None:
    stack = samples.write(tmp_path / "s", frames=frames(None, ((1.0, 1.0, 0.0), (1.0, 1.0, 0.0)), None))
    with pytest.raises(StackError, match=r"frames\[1\].to_reference: expected an invertible affine"):
        load_frame_truth(stack, 1)


def test_no_truth(tmp_path: Path, samples) -> None:
    folder = samples.write(tmp_path / "s").path
    samples.edit_json(folder, ground_truth=...)
    assert load_frame_truth(read_stack(folder), 1) is None
