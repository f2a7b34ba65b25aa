"""The fit of a whole stack, against the exact depth of a simulated scene."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from defocus_depth.errors import BackendUnavailableError, ConfigError
from defocus_depth.optics import to_linear
from defocus_depth.stacks import load_image, read_stack
from defocus_training.fitting.capture import read_capture
from defocus_training.fitting.figures import textured
from defocus_training.fitting.fit import fit_capture, score_depth
from defocus_training.fitting.held_out import psnr_db
from defocus_training.fitting.judge import Fit
from defocus_training.fitting.network_depth import network_inverse_depth
from defocus_training.fitting.options import FitOptions
from defocus_training.fitting.registration import corner_shift_px
from defocus_training.networks import DefocusModel

from .conftest import QUICK, RIG, Simulated, breathed, relative_frames, write_cropped


@pytest.fixture(scope="module")
def fitted(simulated: Simulated) -> Fit:
    return fit_capture(read_capture(simulated.path), QUICK)


def textured_abs_rel(depth_m: np.ndarray, truth_m: np.ndarray, frame: np.ndarray) -> float:
    chosen = textured(frame)
    return float((np.abs(depth_m - truth_m) / truth_m)[chosen].mean())


def test_depth_is_metric_and_right_where_there_is_texture(fitted: Fit, simulated: Simulated) -> None:
    frame = load_image(read_stack(simulated.path), 2)
    constant = textured_abs_rel(np.median(simulated.depth_m), simulated.depth_m, frame)
    assert textured_abs_rel(1 / fitted.inverse_depth, simulated.depth_m, frame) < min(0.12, constant / 2)


def test_the_rendered_scene_explains_the_frames(fitted: Fit) -> None:
    assert fitted.psnr_db > 34
    assert fitted.colour.shape == (*fitted.inverse_depth.shape, 3)


def test_confidence_ranks_errors(fitted: Fit, simulated: Simulated) -> None:
    error = np.abs(fitted.inverse_depth - 1 / simulated.depth_m)
    narrow = fitted.scale <= np.median(fitted.scale)
    assert error[narrow].mean() < 0.5 * error[~narrow].mean()
    right = np.maximum(fitted.inverse_depth * simulated.depth_m, 1 / (fitted.inverse_depth * simulated.depth_m)) < 1.25
    assert fitted.confidence[right].mean() > fitted.confidence[~right].mean()


def test_a_still_and_even_stack_is_left_as_it_is(fitted: Fit) -> None:
    np.testing.assert_array_equal(fitted.registration.from_reference, np.repeat(np.eye(3)[None, :2], 5, 0))
    np.testing.assert_array_equal(fitted.registration.exposure, np.ones(5))


def test_breathing_and_exposure_drift_are_recovered(rendered, simulated: Simulated, tmp_path: Path) -> None:
    images, depth_m = rendered
    scales = [1 + 0.012 * index for index in range(5)]
    exposures = [1 - 0.05 * index for index in range(5)]
    moved = [
        breathed(image, scale, (0.5 * index, 0.0), exposure)
        for index, (image, scale, exposure) in enumerate(zip(images, scales, exposures, strict=True))
    ]
    stack = write_cropped(tmp_path / "breathing", moved, depth_m)
    fit = fit_capture(read_capture(stack.path), QUICK)
    np.testing.assert_allclose(fit.registration.exposure, exposures, atol=0.015)
    size = fit.inverse_depth.shape
    for index, affine in enumerate(fit.registration.from_reference):
        centre = np.array([size[1] / 2, size[0] / 2])
        true = np.column_stack([scales[index] * np.eye(2), centre * (1 - scales[index]) + (0.5 * index, 0)])
        assert corner_shift_px(affine - true + np.eye(3)[:2], size) < 0.8
    frame = load_image(read_stack(simulated.path), 2)
    assert textured_abs_rel(1 / fit.inverse_depth, simulated.depth_m, frame) < 0.15


def test_an_interrupted_fit_ends_where_an_uninterrupted_one_does(
    fitted: Fit, simulated: Simulated, tmp_path: Path
) -> None:
    class Interrupted(Exception):
        pass

    def pull_the_plug(share: float) -> None:
        if share > 0.6:
            raise Interrupted

    capture, checkpoint = read_capture(simulated.path), tmp_path / "checkpoint.npz"
    with pytest.raises(Interrupted):
        fit_capture(capture, QUICK, checkpoint=checkpoint, tick=pull_the_plug)
    shares: list[float] = []
    resumed = fit_capture(capture, QUICK, checkpoint=checkpoint, tick=shares.append)
    assert min(shares) > 0.5
    np.testing.assert_array_equal(resumed.inverse_depth, fitted.inverse_depth)
    np.testing.assert_array_equal(resumed.colour, fitted.colour)


def test_frames_left_out_are_predicted_better_than_by_their_neighbours(simulated: Simulated, tmp_path: Path) -> None:
    capture, checkpoint = read_capture(simulated.path), tmp_path / "checkpoint.npz"
    fit = fit_capture(capture, QUICK, (2,), checkpoint)
    (score,) = fit.held_out
    assert score.frame == 2
    assert score.psnr_db > score.interpolated_psnr_db + 3
    assert 28 < score.psnr_db < 60

    (own,) = score_depth(capture, QUICK, (2,), checkpoint, lambda fit: fit.inverse_depth)
    assert own.psnr_db == pytest.approx(score.psnr_db, abs=1.0)
    (flat,) = score_depth(capture, QUICK, (2,), checkpoint, lambda fit: np.full_like(fit.inverse_depth, 1.0))
    assert flat.psnr_db < score.psnr_db - 2
    model = DefocusModel()
    (untrained,) = score_depth(capture, QUICK, (2,), checkpoint, partial(network_inverse_depth, model))
    assert untrained.psnr_db < score.psnr_db - 1


def test_without_distances_the_gain_is_found_and_depth_is_relative(
    rendered, simulated: Simulated, fitted: Fit, tmp_path: Path
) -> None:
    images, depth_m = rendered
    path = tmp_path / "relative"
    stack = write_cropped(path, images, depth_m, frames=relative_frames(), metric=False, lens=None)
    fit = fit_capture(read_capture(stack.path), QUICK)
    true_gain = 2 * RIG.blur_gain_px_per_dpt(0.65)
    assert fit.gain_px_per_dpt[0] == pytest.approx(true_gain, rel=0.15)
    chosen = textured(load_image(read_stack(simulated.path), 2))
    relative, metric = (
        np.corrcoef(one.inverse_depth[chosen], 1 / simulated.depth_m[chosen])[0, 1] for one in (fit, fitted)
    )
    assert relative > max(0.7, metric - 0.05)


def test_the_sweep_s_ends_keep_their_coordinates_though_it_ends_with_its_first_frame(rendered, tmp_path: Path) -> None:
    images, depth_m = rendered
    frames = relative_frames()
    told = np.array([frame.focus_coordinate for frame in frames])
    again = replace(frames[0], file="again.png", focus_coordinate=float(told[0]) - 0.01, repeat_of=0)
    stack = write_cropped(
        tmp_path / "repeated", [*images, images[0]], depth_m, frames=(*frames, again), metric=False, lens=None
    )
    focus = fit_capture(read_capture(stack.path), QUICK).focus_dpt
    np.testing.assert_allclose(focus[[0, 4]], told[[0, 4]], rtol=1e-6)
    assert focus[5] == focus[0]
    assert (np.abs(focus[1:4] - told[1:4]) > 1e-4).all()


def test_psnr_is_that_of_encoded_values() -> None:
    encoded = np.full((8, 8, 3), 0.5)
    off = np.where(np.arange(8)[:, None, None] < 4, 0.6, 0.5) + 0 * encoded
    linear = [to_linear(values, "srgb").astype(np.float32) for values in (encoded, off)]
    upper = np.zeros((8, 8), np.float32)
    upper[:4] = 1
    assert psnr_db(linear[1], linear[0], upper, "srgb") == pytest.approx(20, abs=1e-3)
    assert psnr_db(linear[1], linear[0], np.ones((8, 8), np.float32), "srgb") == pytest.approx(23.01, abs=1e-2)


@pytest.mark.parametrize(
    ("left_out", "message"),
    [
        ((7,), r"leave-out: expected frame indices 0\.\.4, got 7"),
        ((0,), "leave-out: expected frames other than the reference frame 0"),
        ((1, 2, 3, 4), "leave-out: expected at least 2 of 5 frames to stay"),
    ],
)
def test_frames_that_cannot_be_left_out_are_refused(simulated: Simulated, left_out, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fit_capture(read_capture(simulated.path), QUICK, left_out)


def test_gsplat_without_cuda_says_what_to_do(simulated: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(BackendUnavailableError, match="engine gsplat: expected a CUDA device, found none"):
        fit_capture(read_capture(simulated.path), FitOptions(engine="gsplat"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_gsplat_fits_about_as_well(simulated: Simulated, fitted: Fit) -> None:
    fit = fit_capture(read_capture(simulated.path), replace(QUICK, engine="gsplat"))
    frame = load_image(read_stack(simulated.path), 2)
    errors = [textured_abs_rel(1 / one.inverse_depth, simulated.depth_m, frame) for one in (fit, fitted)]
    assert errors[0] < 1.5 * errors[1]


def test_a_file_that_is_no_checkpoint_is_refused(simulated: Simulated, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match="expected a fit's checkpoint"):
        fit_capture(read_capture(simulated.path), QUICK, checkpoint=path)
