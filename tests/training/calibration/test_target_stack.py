"""Frames of a target's stack: registered, equally bright, and measured in the pixels they were taken with."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from defocus_depth.stacks import write_stack
from defocus_depth.types import CameraIntrinsics, FocalStack, Frame
from defocus_training.calibration.blur import Tiles
from defocus_training.calibration.target_stack import TargetStack, joined, load_target, samples_of
from defocus_training.capture.measures import encoded_pixels
from defocus_training.capture.texture import dead_leaves

WIDTH, HEIGHT, BLUR_PX, GROWTH = 160, 120, 7.0, 1.05
CENTRE = ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)
TILES = Tiles(3, 2, 16)


def seen(blur_px: float, growth: float, level: float) -> np.ndarray:
    """A target magnified, then blurred: the lens breathes, its blur does not."""
    scene = cv2.resize(dead_leaves(512, 4), (4 * WIDTH, 4 * HEIGHT), interpolation=cv2.INTER_AREA)
    about = cv2.getRotationMatrix2D((2 * WIDTH - 0.5, 2 * HEIGHT - 0.5), 0.0, growth)
    grown = cv2.warpAffine(scene, about, (4 * WIDTH, 4 * HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    at = np.arange(61) - 30
    kernel = np.clip(2 * blur_px - np.hypot(at[:, None], at[None]) + 0.5, 0, 1)
    blurred = cv2.filter2D(grown, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)
    small = cv2.resize(blurred, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return encoded_pixels(np.asarray(level * np.repeat(small[..., None], 3, 2), np.float32), "srgb", np.uint16)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> TargetStack:
    """A blurred, grown and darker frame; the sharp one; a repetition."""
    back = 1 / GROWTH
    to_sharp = ((back, 0.0, (1 - back) * CENTRE[0]), (0.0, back, (1 - back) * CENTRE[1]))
    frames = (
        Frame("0.png", focus_coordinate=2.0, focus_position=20.0, sharpness=0.1, to_reference=to_sharp),
        Frame("1.png", focus_coordinate=1.0, focus_position=10.0, sharpness=0.9),
        Frame("2.png", focus_coordinate=2.0, focus_position=20.0, sharpness=0.1, repeat_of=0),
    )
    camera = CameraIntrinsics(WIDTH, HEIGHT, 200.0, 200.0, *CENTRE)
    path = tmp_path_factory.mktemp("target") / "scene"
    pictures = [seen(BLUR_PX, GROWTH, 0.8), seen(0.1, 1.0, 1.0), seen(BLUR_PX, GROWTH, 0.8)]
    stack = write_stack(path, FocalStack(path, frames, None, camera, metric=False, reference_frame=1), pictures)
    return load_target(stack, lambda points: np.where(points[..., 0] < 110, 1.25, np.nan))


def test_frames_are_registered_to_the_sharpest_and_equally_bright(target: TargetStack) -> None:
    assert target.pictures.shape == (2, HEIGHT, WIDTH) and target.sharpest == 1
    assert target.positions.tolist() == [20.0, 10.0] and target.scale == 1.0
    assert target.magnification == pytest.approx([1 / GROWTH, 1.0])
    inner = target.pictures[:, 20:-20, 20:-20]
    blurred = cv2.blur(inner[1], (9, 9))
    assert np.abs(cv2.blur(inner[0], (9, 9)) - blurred)[8:-8, 8:-8].mean() < 0.03 * blurred.mean()


def test_blur_is_in_the_pixels_of_the_frame_and_only_where_the_target_is(target: TargetStack) -> None:
    samples = samples_of(target, np.array([1, 0]), TILES, 16.0, None)
    assert set(samples.step) == {1} and len(samples.size_px) == 6
    on_target = np.isfinite(samples.inverse_depth_dpt)
    assert on_target.reshape(2, 3).tolist() == [[True, True, False]] * 2
    assert samples.size_px[on_target] == pytest.approx(BLUR_PX, rel=0.03)
    assert np.isnan(samples.size_px[~on_target]).all() and np.all(samples.inverse_depth_dpt[on_target] == 1.25)
    twice = joined([samples, samples])
    assert len(twice.step) == 12 and np.all((twice.radius > 0) & (twice.radius < 1))
