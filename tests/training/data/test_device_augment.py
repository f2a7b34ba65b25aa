"""Camera effects on a device against their twins for single pictures, and against OpenCV's codec."""

import dataclasses

import cv2
import numpy as np
import pytest
import torch

from defocus_training.data import augment
from defocus_training.data.augment import AugmentOptions
from defocus_training.data.device_augment import camera_effects, demosaiced, filtered, motion_kernels, random_tones
from defocus_training.data.device_jpeg import jpeg
from defocus_training.data.dice import Dice

CPU = torch.device("cpu")
NOTHING = AugmentOptions((1.0, 1.0), tone=0, motion_blur=0, softness=0, noise=0, demosaic=0, jpeg=0)


def picture(seed: int = 0, size: int = 64) -> np.ndarray:
    """Smooth and sharp parts in colour, (size, size, 3) float32 in 0..1."""
    rng = np.random.default_rng(seed)
    smooth = cv2.GaussianBlur(rng.random((size, size, 3), np.float32), (0, 0), 4)
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    smooth[size // 4 : size // 2, size // 3 :] = rng.random(3)
    return np.round(smooth * 255).astype(np.float32) / 255


def batch(*pictures: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).copy())


def planes(image: np.ndarray) -> torch.Tensor:
    return batch(image)[0]


@pytest.mark.parametrize("length_px", [0.6, 3.0, 7.7])
def test_motion_blur_is_that_of_single_pictures(length_px: float) -> None:
    image = picture()
    expected = augment.motion_blur(image, length_px, 0.8)
    kernels = motion_kernels(torch.tensor([length_px]), torch.tensor([0.8]), 8.0)
    inside = (slice(None), slice(8, -8), slice(8, -8))
    found = filtered(batch(image), kernels)[0]
    torch.testing.assert_close(found[inside], planes(expected)[inside], atol=2e-3, rtol=0)


def test_demosaicing_is_that_of_opencv() -> None:
    image = picture(1)
    expected = augment.demosaiced((image * 255).astype(np.uint8)) / 255
    found = demosaiced(batch(image))[0][:, 2:-2, 2:-2]
    torch.testing.assert_close(found, planes(expected.astype(np.float32))[:, 2:-2, 2:-2], atol=1.6 / 255, rtol=0)


@pytest.mark.parametrize("quality", [35, 60, 95])
def test_jpeg_leaves_what_opencv_s_codec_leaves(quality: int) -> None:
    image = picture(2)
    bgr = np.ascontiguousarray((image * 255).round().astype(np.uint8)[..., ::-1])
    theirs = cv2.imdecode(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    assert theirs is not None
    expected = planes(np.ascontiguousarray(theirs[..., ::-1]).astype(np.float32) / 255)
    found = jpeg(batch(image), torch.tensor([quality]))[0]
    damage = float((expected - planes(image)).square().mean().sqrt())
    assert float((found - expected).square().mean().sqrt()) < 0.25 * damage + 0.6 / 255


def test_without_effects_pictures_are_only_quantised() -> None:
    images = torch.rand(4, 3, 32, 32)
    found = camera_effects(images, NOTHING, Dice(CPU, 0)).pictures
    torch.testing.assert_close(found, (images * 255).round() / 255)
    assert torch.equal(random_tones(images[None, :2], NOTHING, Dice(CPU, 0))[0], images[:2])


@pytest.mark.parametrize("effect", ["motion_blur", "softness", "noise", "demosaic", "jpeg"])
def test_each_effect_touches_its_share_of_the_batch(effect: str) -> None:
    images = batch(*(picture(seed, 32) for seed in range(40)))
    options = dataclasses.replace(NOTHING, **{effect: 0.5})
    changed = (camera_effects(images, options, Dice(CPU, 1)).pictures - images).abs().amax((1, 2, 3)) > 1 / 300
    assert 14 <= int(changed.sum()) <= 20  # some are changed too little to be seen


def test_both_frames_of_a_pair_have_one_tone_and_pairs_have_different_ones() -> None:
    images = torch.full((30, 2, 3, 4, 4), 0.4)
    toned = random_tones(images, dataclasses.replace(NOTHING, tone=1.0), Dice(CPU, 2))
    assert torch.equal(toned[:, 0], toned[:, 1])
    assert float(toned[:, 0].mean((1, 2, 3)).std()) > 0.05


def test_noise_has_the_deviation_asked_for_and_follows_the_light() -> None:
    options = dataclasses.replace(NOTHING, noise=1.0, noise_deviation=(0.02, 0.0200001))
    dark, light = (
        camera_effects(torch.full((200, 3, 32, 32), at), options, Dice(CPU, 3)).pictures - at for at in (0.2, 0.5)
    )
    assert 0.015 < float(light.std()) < 0.025
    assert float(dark.std()) < float(light.std())


def test_equal_seeds_draw_equal_batches() -> None:
    images = torch.rand(6, 3, 32, 32)
    first, again, other = (camera_effects(images, AugmentOptions(), Dice(CPU, seed)).pictures for seed in (5, 5, 6))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_motion_is_told_of_the_very_pictures_that_moved(share: float) -> None:
    images = batch(*(picture(seed, 32) for seed in range(30)))
    found = camera_effects(images, dataclasses.replace(NOTHING, motion_blur=share), Dice(CPU, 4))
    changed = (found.pictures - images).abs().mean((1, 2, 3))
    assert abs(int((found.motion_px > 0).sum()) - 30 * share) <= 1
    assert (changed[found.motion_px == 0] < 1e-6).all() and (changed[found.motion_px > 2] > 1e-3).all()
    moved = found.motion_px > 0.5
    assert torch.corrcoef(torch.stack([changed[moved], found.motion_px[moved]]))[0, 1] > 0.5
