"""Views, noise and captures."""

import dataclasses

import numpy as np
import pytest

from defocus_depth.errors import StackError
from defocus_depth.stacks import load_image, read_stack, write_stack
from defocus_depth.types import CameraIntrinsics, FocalStack, Frame
from defocus_training.fitting.capture import read_capture, reduced
from defocus_training.fitting.views import measured_noise

from .conftest import RIG, Simulated


def test_noise_is_measured_beside_texture() -> None:
    rng = np.random.default_rng(0)
    ramp = np.linspace(0.2, 0.6, 120, dtype=np.float32) * np.ones((2, 100, 1), np.float32)
    frames = np.repeat((ramp + rng.normal(0, 0.01, ramp.shape))[..., None], 3, 3).astype(np.float32)
    noise = measured_noise(frames)
    assert noise.deviation == pytest.approx(0.01, rel=0.1)
    assert noise.at == pytest.approx(0.4, rel=0.05)
    assert noise.where(np.float32(1.6) * np.ones((1, 1), np.float32))[0, 0] == pytest.approx(0.02, rel=0.1)


def test_exposure_is_divided_out(tmp_path) -> None:
    camera = CameraIntrinsics(8, 6, 8.0, 8.0, 3.5, 2.5)
    frames = (Frame("0.png", 0.5, exposure_s=0.01), Frame("1.png", 1.0, exposure_s=0.02, gain=1.5))
    meta = FocalStack(tmp_path, frames, RIG.lens, camera, transfer="linear")
    images = [np.full((6, 8), 20_000, np.uint16), np.full((6, 8), 60_000, np.uint16)]
    write_stack(tmp_path, meta, images)
    capture = read_capture(tmp_path)
    assert capture.frames.shape == (2, 6, 8, 3)
    np.testing.assert_allclose(capture.frames, 20_000 / 65_535, rtol=1e-5)
    np.testing.assert_allclose(capture.saturated, [1, 1 / 3])


def test_reducing_keeps_means_and_scales_the_gain(simulated: Simulated) -> None:
    capture = read_capture(simulated.path)
    small = reduced(capture, 2)
    assert small.frames.shape == (5, 56, 80, 3)
    np.testing.assert_allclose(small.frames.mean((1, 2)), capture.frames.mean((1, 2)), rtol=1e-4)
    assert small.gain_px_per_dpt is not None and capture.gain_px_per_dpt is not None
    np.testing.assert_allclose(small.gain_px_per_dpt, capture.gain_px_per_dpt / 2)
    assert small.reduction == 2


def test_one_frame_is_not_enough(simulated: Simulated, tmp_path) -> None:
    stack = read_stack(simulated.path)
    meta = dataclasses.replace(stack, frames=stack.frames[:1], ground_truth_depth=None)
    write_stack(tmp_path / "one", meta, [np.zeros((stack.camera.height, stack.camera.width, 3), np.uint8)])
    with pytest.raises(StackError, match="frames: expected at least 2 to fit, got 1"):
        read_capture(tmp_path / "one")


def test_one_focus_tells_nothing_of_depth(simulated: Simulated, tmp_path) -> None:
    stack = read_stack(simulated.path)
    same = [dataclasses.replace(frame, focus_distance_m=0.5) for frame in stack.frames]
    meta = dataclasses.replace(stack, frames=same, ground_truth_depth=None)
    write_stack(tmp_path / "same", meta, [load_image(stack, index) for index in range(len(same))])
    with pytest.raises(StackError, match="frames: expected at least 2 different foci to fit, got one"):
        read_capture(tmp_path / "same")
