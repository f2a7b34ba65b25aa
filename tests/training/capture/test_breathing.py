"""Breathing, jumps and exposure of a sweep, on pictures magnified by OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from defocus_training.capture.alignment import moved_px
from defocus_training.capture.breathing import drifts, estimate_breathing, exposure_ratios

WIDTH, HEIGHT = 160, 120
FOCI = [2.8, 2.1, 1.4, 0.7, 0.0]


def scene() -> np.ndarray:
    rng = np.random.default_rng(3)
    noise = sum(
        cv2.resize(rng.random((size, size), np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        for size in (6, 15, 40)
    )
    return np.asarray(0.1 + 0.2 * noise, np.float32)


def frame(magnification: float, blur_px: float, shift_px: float = 0.0) -> np.ndarray:
    centre = ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    affine = cv2.getRotationMatrix2D(centre, 0.0, magnification)
    affine[0, 2] += shift_px
    grown = cv2.warpAffine(scene(), affine, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), 0.5 + blur_px), np.float32)


def sweep(per_dpt: float) -> list[np.ndarray]:
    return [frame(1 + per_dpt * focus, abs(focus - 1.2)) for focus in FOCI]


@pytest.mark.parametrize("per_dpt", [0.02, -0.015, 0.06])
def test_breathing_is_found_and_undone(per_dpt: float):
    frames = sweep(per_dpt)
    found = estimate_breathing(frames, FOCI)
    assert found.per_dpt == pytest.approx(per_dpt, rel=0.08) and found.jumps == ()
    affine = found.to_reference(FOCI[-1], FOCI[0], (WIDTH, HEIGHT))
    assert affine is not None
    ratio = (1 + per_dpt * FOCI[0]) / (1 + per_dpt * FOCI[-1])
    assert affine[0][0] == pytest.approx(ratio, abs=0.004)
    undone = cv2.warpAffine(frames[-1], np.array(affine), (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    same_blur = frame(1 + per_dpt * FOCI[0], abs(FOCI[-1] - 1.2))
    assert float(np.abs(undone - same_blur)[10:-10, 10:-10].mean()) < 0.4 * float(
        np.abs(frames[-1] - same_blur)[10:-10, 10:-10].mean()
    )


def test_a_lens_that_does_not_breathe_needs_no_resampling():
    found = estimate_breathing(sweep(0.0), FOCI)
    assert abs(found.per_dpt) < 1e-3
    assert all(found.to_reference(focus, FOCI[0], (WIDTH, HEIGHT)) is None for focus in FOCI)


def test_a_jump_of_the_view_is_found_where_it_happens():
    frames = sweep(0.02)
    frames[3:] = [frame(1 + 0.02 * focus, abs(focus - 1.2), shift_px=3.0) for focus in FOCI[3:]]
    found = estimate_breathing(frames, FOCI)
    assert found.jumps == (3,) and found.per_dpt == pytest.approx(0.02, rel=0.1)


def test_pictures_of_different_things_do_not_align():
    rng = np.random.default_rng(0)
    other = np.asarray(cv2.GaussianBlur(rng.random((HEIGHT, WIDTH), np.float32), (0, 0), 2.0), np.float32)
    assert moved_px(scene(), other) > 5
    assert moved_px(scene(), scene()) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("shift_px", [0.4, 2.5])
def test_shifts_are_measured_in_pixels(shift_px: float):
    assert moved_px(frame(1.0, 0.5), frame(1.0, 0.5, shift_px)) == pytest.approx(shift_px, abs=0.05)


def test_exposure_is_told_from_blur():
    frames = sweep(0.0)
    ratios = exposure_ratios([frames[0], frames[2], np.float32(1.08) * frames[4]])
    assert ratios == pytest.approx([1.0, 1.0, 1.08], abs=0.01)
    assert [drifts(float(ratio)) for ratio in ratios] == [False, False, True]
