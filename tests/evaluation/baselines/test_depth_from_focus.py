from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.baselines import DepthFromFocusConfig, depth_from_focus
from defocus_depth.evaluation.baselines.depth_from_focus import peaks_dpt

GAIN = 8.0
FOCI_DPT = np.array([2.9, 2.2, 1.5, 0.9, 0.4])


def disc_blurred(texture: np.ndarray, diameter_px: float) -> np.ndarray:
    """Exact uniform disc, sampled 9 times finer than the pixels: an optics of its own, not the package's."""
    side = 2 * math.ceil(diameter_px / 2 + 1) + 1
    fine = (np.arange(side * 9) + 0.5) / 9 - side / 2
    inside = (fine[:, None] ** 2 + fine[None] ** 2 <= max(diameter_px / 2, 0.5) ** 2).astype(np.float64)
    kernel = inside.reshape(side, 9, side, 9).sum(axis=(1, 3))
    return cv2.filter2D(texture, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)


def stack_of_plane(depth_m: float, contrast: float = 0.4) -> list[np.ndarray]:
    random = np.random.default_rng(3)
    texture = 0.5 + contrast * random.uniform(-1, 1, (96, 160))
    frames = [disc_blurred(texture, abs(GAIN * (focus - 1 / depth_m))) for focus in FOCI_DPT]
    noisy = [frame + random.normal(0, 0.004, frame.shape) for frame in frames]
    return [np.clip(frame * 255 + 0.5, 0, 255).astype(np.uint8) for frame in noisy]


@pytest.mark.parametrize("depth_m", [0.4, 0.55, 0.8, 1.3, 2.2])
def test_finds_a_textured_plane(depth_m: float) -> None:
    found_m = depth_from_focus(stack_of_plane(depth_m), FOCI_DPT, GAIN)
    assert found_m.shape == (96, 160) and found_m.dtype == np.float32
    step_dpt = 0.7
    assert np.median(np.abs(1 / found_m - 1 / depth_m)) < 0.2 * step_dpt


def test_two_planes_and_a_textureless_gap_filled_from_the_sides() -> None:
    near, far, flat = stack_of_plane(0.45), stack_of_plane(1.2), stack_of_plane(1.0, contrast=0.0)
    frames = [np.hstack([a[:, :60], c[:, :40], b[:, :60]]) for a, b, c in zip(near, far, flat, strict=True)]
    found_m = depth_from_focus(frames, FOCI_DPT, GAIN)
    assert np.median(found_m[:, :50]) == pytest.approx(0.45, rel=0.1)
    assert np.median(found_m[:, 110:]) == pytest.approx(1.2, rel=0.2)
    gap = found_m[:, 70:90]  # clear of the steps in brightness at its sides
    assert 0.4 < gap.min() and gap.max() < 1.4 and np.median(gap[:, 15:]) > np.median(gap[:, :5])


def test_order_of_frames_colour_and_depth_of_pixels_do_not_matter() -> None:
    frames = stack_of_plane(0.8)
    expected = depth_from_focus(frames, FOCI_DPT, GAIN)
    np.testing.assert_array_equal(depth_from_focus(frames[::-1], FOCI_DPT[::-1], GAIN), expected)
    rich = [np.repeat(frame[..., None], 3, axis=2).astype(np.uint16) * 257 for frame in frames]
    np.testing.assert_allclose(depth_from_focus(rich, FOCI_DPT, GAIN), expected, rtol=1e-3)


def test_focus_at_infinity_gives_a_finite_depth() -> None:
    foci = np.array([2.0, 1.0, 0.0])
    found_m = depth_from_focus(stack_of_plane(2.5)[2:], foci, GAIN)
    limit_m = GAIN / DepthFromFocusConfig().max_blur_px
    assert np.isfinite(found_m).all() and found_m.max() <= limit_m * (1 + 1e-6)


@settings(deadline=None)
@given(
    st.lists(st.floats(0.05, 2), min_size=3, max_size=7),
    st.floats(0, 1),
    st.floats(0.1, 5),
)
def test_the_peak_of_a_parabola_is_found_exactly(steps: list[float], fraction: float, sharpness: float) -> None:
    foci = np.cumsum(steps)
    peak = float(foci[0] + fraction * (foci[-1] - foci[0]))
    found = peaks_dpt((-sharpness * (foci - peak) ** 2)[:, None, None], foci)
    best = int(np.argmin(np.abs(foci - peak)))
    at_an_end = best in (0, len(foci) - 1)
    assert float(found[0, 0]) == pytest.approx(foci[best] if at_an_end else peak, rel=1e-4, abs=1e-4)


def test_refuses_stacks_that_cannot_tell_depth() -> None:
    image = np.zeros((8, 8), np.uint8)
    for images, foci in (([image], [1.0]), ([image] * 2, [1.0, 1.0]), ([image] * 3, [1.0, 2.0])):
        with pytest.raises(ConfigError, match="dff_sml: expected frames at 2 or more focus distances, got"):
            depth_from_focus(images, np.array(foci), GAIN)
