"""The window of frames for fusion: focus keeps it, motion, change and time empty it."""

import cv2
import numpy as np
import pytest

from defocus_depth.inference.fusion import fuse_estimates
from defocus_depth.inference.fusion_window import FusionLimits, FusionWindow
from defocus_depth.optics import coc_from_inverse_depth, from_linear
from defocus_depth.simulation.rgbd import render_defocus
from defocus_depth.types import DepthEstimate, LensParameters

LENS = LensParameters(blur_gain_px_per_dpt=8.0)
FOCI_M = (0.4, 0.65, 1.0, 1.8)
LIMITS = FusionLimits(4, 2.0)


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def window(clock) -> FusionWindow:
    return FusionWindow(clock)


@pytest.fixture(scope="module")
def pictures():
    """A textured scene at 0.5 and 2 m through every focus, sRGB uint8 (240, 320, 3)."""
    rng = np.random.default_rng(3)
    texture = cv2.GaussianBlur(rng.random((260, 340, 3), np.float32), (0, 0), 1.5)
    coarse = cv2.resize(rng.random((13, 17), np.float32), (340, 260), interpolation=cv2.INTER_CUBIC)
    sharp = np.clip(texture * (0.4 + coarse[..., None]), 0, 1).astype(np.float32)
    depth_m = np.full((260, 340), 2.0, np.float32)
    depth_m[60:200, 40:160] = 0.5
    return {focus: encoded(render_defocus(sharp, depth_m, focus, LENS)) for focus in FOCI_M}


def encoded(linear):
    return np.round(255 * from_linear(linear, "srgb")).astype(np.uint8)


def view(picture, shift_px=(0, 0)):
    x, y = 10 + shift_px[0], 10 + shift_px[1]
    return np.ascontiguousarray(picture[y : y + 240, x : x + 320])


def estimate(focus_m, u_dpt=1.0, shape=(240, 320)) -> DepthEstimate:
    u = np.full(shape, u_dpt, np.float32)
    coc = coc_from_inverse_depth(u, 8.0, 1 / focus_m)
    scale = np.full(shape, 0.1, np.float32)
    return DepthEstimate(np.reciprocal(u), coc, np.abs(coc), scale, scale, 8.0, 1 / focus_m)


def feed(window, pictures, foci_m, **changes):
    for focus_m in foci_m:
        last = window.fuse(view(pictures[focus_m], **changes), estimate(focus_m), LIMITS)
    return last


def test_a_sweep_through_focus_is_kept_and_fused(window, pictures):
    fused = feed(window, pictures, FOCI_M)
    assert len(window) == 4
    expected = fuse_estimates([estimate(focus_m) for focus_m in FOCI_M], target=-1)
    np.testing.assert_array_equal(fused.depth_m, expected.depth_m)
    assert fused.focus_dpt == 1 / FOCI_M[-1]


def test_one_frame_is_itself(window, pictures):
    first = estimate(0.4)
    assert window.fuse(view(pictures[0.4]), first, LIMITS) is first


@pytest.mark.parametrize("shift_px", [(4, 0), (0, 4), (3, -3), (10, 8)])
def test_camera_motion_empties_the_window(window, pictures, shift_px):
    feed(window, pictures, FOCI_M[:3])
    feed(window, pictures, FOCI_M[3:], shift_px=shift_px)
    assert len(window) == 1


def test_another_scene_empties_the_window(window, pictures):
    feed(window, pictures, FOCI_M[:3])
    window.fuse(np.rot90(view(pictures[1.8]), 2).copy(), estimate(1.8), LIMITS)
    assert len(window) == 1


def test_exposure_and_noise_do_not(window, pictures):
    feed(window, pictures, FOCI_M[:3])
    noise = np.random.default_rng(0).normal(0, 5, (240, 320, 3))
    darker = np.clip(0.9 * view(pictures[1.8]) + noise, 0, 255).astype(np.uint8)
    window.fuse(darker, estimate(1.8), LIMITS)
    assert len(window) == 4


def test_old_frames_are_dropped(window, clock, pictures):
    feed(window, pictures, FOCI_M[:2])
    clock.now_s += 1.5
    feed(window, pictures, FOCI_M[2:3])
    assert len(window) == 3
    clock.now_s += 1.0
    feed(window, pictures, FOCI_M[3:])
    assert len(window) == 2


def test_a_focus_again_takes_the_place_of_the_older(window, pictures):
    feed(window, pictures, FOCI_M)
    newer = estimate(0.65, u_dpt=1.2)
    window.fuse(view(pictures[0.65]), newer, LIMITS)
    assert len(window) == 4


def test_the_window_has_a_size(window, pictures):
    for focus_m in FOCI_M:
        window.fuse(view(pictures[focus_m]), estimate(focus_m), FusionLimits(2, 2.0))
    assert len(window) == 2


def test_another_image_size_empties_the_window(window, pictures):
    feed(window, pictures, FOCI_M[:2])
    half = cv2.resize(view(pictures[1.0]), (160, 120), interpolation=cv2.INTER_AREA)
    window.fuse(half, estimate(1.0, shape=(120, 160)), LIMITS)
    assert len(window) == 1


def test_mono_and_textureless_pictures_do_no_harm(window):
    for focus_m in FOCI_M:
        window.fuse(np.full((240, 320), 3000, np.uint16), estimate(focus_m), LIMITS)
    assert len(window) == 4
    window.fuse(np.zeros((240, 320), np.uint16), estimate(3.0), LIMITS)


def test_slow_motion_drops_what_was_seen_from_elsewhere(window, pictures):
    for step, focus_m in enumerate(FOCI_M):
        window.fuse(view(pictures[focus_m], (step, 0)), estimate(focus_m), LIMITS)  # half a px of what is compared
    assert 2 <= len(window) < len(FOCI_M)  # those that lie within a px


def test_a_cleared_window_knows_no_frame(window, pictures):
    feed(window, pictures, FOCI_M[:3])
    window.clear()
    feed(window, pictures, FOCI_M[3:])
    assert len(window) == 1
