"""Fusion of estimates at several foci: precise frames count, wrong ones are outvoted, blur's sign is resolved."""

import dataclasses

import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.inference.fusion import fuse_estimates
from defocus_depth.optics import coc_from_inverse_depth
from defocus_depth.types import DepthEstimate

GAIN = 8.0
FOCI_DPT = (2.9, 2.2, 1.5, 1.0, 0.55)
SHAPE = (12, 16)


def estimate(u_dpt, focus_dpt, scale_dpt=0.1, blur_px=None) -> DepthEstimate:
    """One frame's say: inverse depth, its scale, and the |CoC| that follows from it unless another is given."""
    u = np.broadcast_to(np.asarray(u_dpt, np.float32), SHAPE).copy()
    coc = coc_from_inverse_depth(u, GAIN, focus_dpt)
    blur = np.abs(coc) if blur_px is None else np.broadcast_to(np.asarray(blur_px, np.float32), SHAPE).copy()
    full = np.full(SHAPE, scale_dpt, np.float32)
    return DepthEstimate(1 / u, coc, blur, full, np.full(SHAPE, 0.5, np.float32), GAIN, focus_dpt)


def fused_u(*estimates) -> np.ndarray:
    return 1 / fuse_estimates(estimates).depth_m


def test_frames_that_agree_give_what_they_say_with_more_confidence():
    frames = [estimate(0.8, focus) for focus in FOCI_DPT]
    one, five = fuse_estimates(frames[:1]), fuse_estimates(frames)
    np.testing.assert_allclose(1 / five.depth_m, 0.8, atol=0.02)
    assert (five.inv_depth_scale_dpt < one.inv_depth_scale_dpt).all()
    assert (five.confidence > one.confidence).all() and (five.confidence <= 1).all()


def test_a_single_frame_stays_what_it_is():
    frame = estimate(0.8, FOCI_DPT[0])
    assert fuse_estimates([frame]) is frame


def test_the_more_precise_frame_counts_more():
    def between(scale_a, scale_b):
        vague_px = 1e3  # says nothing: both frames' blur is out of range alike
        a, b = estimate(0.8, 2.9, scale_a, vague_px), estimate(1.2, 2.9, scale_b, vague_px)
        return float(fused_u(a, b).mean())

    assert between(0.05, 0.4) == pytest.approx(0.8, abs=0.06)
    assert between(0.4, 0.05) == pytest.approx(1.2, abs=0.06)


def test_one_frame_that_is_wrong_is_outvoted():
    frames = [estimate(0.8, focus) for focus in FOCI_DPT]
    frames[1] = estimate(2.5, FOCI_DPT[1], scale_dpt=0.02)
    np.testing.assert_allclose(fused_u(*frames), 0.8, atol=0.03)


def test_foci_together_resolve_the_sign_of_blur():
    """Each frame inside the scene believes the wrong side; what SDNet measures fits one depth only."""
    true_u, frames = 0.7, []
    for focus in FOCI_DPT[1:]:
        blur = GAIN * abs(focus - true_u)
        wrong_u = focus + blur / GAIN if focus > true_u else focus - blur / GAIN
        frames.append(estimate(max(wrong_u, 0.05), focus, scale_dpt=0.3, blur_px=blur))
    np.testing.assert_allclose(fused_u(*frames), true_u, atol=0.08)


def test_what_lies_nearer_than_every_focus_is_found_where_the_frames_say_so():
    frames = [estimate(1.6, focus) for focus in (1.0, 0.67, 0.4)]
    np.testing.assert_allclose(fused_u(*frames), 1.6, atol=0.05)


def test_noise_averages_out():
    rng = np.random.default_rng(0)
    true_u = np.linspace(0.4, 2.3, SHAPE[1])
    frames = [
        estimate(np.clip(true_u + rng.laplace(0, 0.15, SHAPE), 0.1, 4), focus, scale_dpt=0.15, blur_px=1e3)
        for focus in FOCI_DPT
    ]
    single = np.mean([np.abs(1 / frame.depth_m - true_u).mean() for frame in frames])
    assert np.abs(fused_u(*frames) - true_u).mean() < 0.7 * single


def test_the_result_is_the_targets():
    frames = [estimate(0.8, focus) for focus in FOCI_DPT]
    fused = fuse_estimates(frames, target=2)
    assert (fused.focus_dpt, fused.blur_gain_px_per_dpt) == (FOCI_DPT[2], GAIN)
    np.testing.assert_allclose(fused.coc_px, GAIN * (FOCI_DPT[2] - 1 / fused.depth_m), rtol=1e-5)
    np.testing.assert_array_equal(fused.defocus_px, frames[2].defocus_px)
    assert {values.dtype for values in (fused.depth_m, fused.coc_px, fused.confidence)} == {np.dtype(np.float32)}


def test_pixels_that_a_frame_does_not_know_come_from_the_others():
    frames = [estimate(0.8, focus) for focus in FOCI_DPT]
    holed = dataclasses.replace(frames[0], depth_m=np.where(np.eye(*SHAPE, dtype=bool), np.nan, frames[0].depth_m))
    np.testing.assert_allclose(fused_u(holed, *frames[1:]), 0.8, atol=0.03)


def test_what_cannot_be_fused_is_refused():
    frame = estimate(0.8, 2.9)
    with pytest.raises(ConfigError, match="expected at least one estimate, got none"):
        fuse_estimates([])
    small = dataclasses.replace(frame, depth_m=frame.depth_m[:4])
    with pytest.raises(ConfigError, match=r"expected maps of one size, got \[\(4, 16\), \(12, 16\)\]"):
        fuse_estimates([frame, small])
    with pytest.raises(ConfigError, match="all metric or all relative"):
        fuse_estimates([frame, dataclasses.replace(frame, metric=False)])
