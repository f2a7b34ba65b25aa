"""`augment` for whole batches on a device: the same effects with the same ranges, in torch.

Each effect takes a fixed share of the batch instead of a chance per picture, so that shapes are known ahead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from .augment import AugmentOptions
from .device_jpeg import jpeg
from .dice import Dice

Pictures = Float[Tensor, "n 3 h w"]
GAUSSIAN_REACH = 3


def random_tones(pictures: Float[Tensor, "n 2 3 h w"], options: AugmentOptions, dice: Dice) -> Tensor:
    """`tone_curve`: one camera's rendering of one scene, the same for both frames of a pair."""
    count = len(pictures)
    gain = (dice.uniform(-0.6, 0.6, count, 1) + 0.06 * dice.normal(count, 3)).exp()
    gamma = dice.uniform(-0.35, 0.35, count, 1).exp()
    contrast, lift = dice.uniform(0.5, 1.15, count, 1), dice.uniform(-0.03, 0.12, count, 1)
    gain, gamma, contrast, lift = (values.view(count, 1, -1, 1, 1) for values in (gain, gamma, contrast, lift))
    toned = (lift + contrast * (pictures * gain).clamp_min(1e-6).pow(gamma)).clamp(0, 1)
    return torch.where(dice.chance(options.tone, count, 1, 1, 1, 1), toned, pictures)


class Photographs(NamedTuple):
    """`pictures` in 0..1, and by how much each one's camera moved, px."""

    pictures: Pictures
    motion_px: Float[Tensor, " n"]


def camera_effects(pictures: Pictures, options: AugmentOptions, dice: Dice) -> Photographs:
    """Motion, softness, noise, demosaicing, JPEG and quantisation of encoded pictures in 0..1; h, w multiples of 16."""
    motion_px = torch.zeros(len(pictures), device=pictures.device)
    # In order, since `_on_some` hands all pictures over in theirs: `moved` pairs them with their lengths.
    moving = dice.some_of(len(pictures), options.motion_blur).sort().values
    motion_px[moving] = dice.uniform(0, options.motion_blur_px, len(moving))

    def moved(some: Pictures) -> Pictures:
        angle = dice.uniform(0, math.pi, len(some))
        return filtered(some, motion_kernels(motion_px[moving], angle, options.motion_blur_px))

    pictures = _on_some(pictures, moving, moved)
    effects: tuple[tuple[float, Callable[[Pictures], Pictures]], ...] = (
        (options.softness, lambda some: _soften_or_sharpen(some, dice)),
        (options.noise, lambda some: _sensor_noise(some, options, dice)),
        (1.0, quantised),
        (options.demosaic, lambda some: quantised(demosaiced(some))),
        (options.jpeg, lambda some: quantised(jpeg(some, dice.below(61, len(some)) + 35))),
    )
    for share, effect in effects:
        if share > 0:
            pictures = _on_some(pictures, dice.some_of(len(pictures), share), effect)
    return Photographs(pictures, motion_px)


def quantised(pictures: Pictures) -> Pictures:
    """To the nearest of 256 values in 0..1."""
    return (pictures * 255).round().clamp(0, 255) / 255


def filtered(pictures: Float[Tensor, "n c h w"], kernels: Float[Tensor, "n kh kw"]) -> Float[Tensor, "n c h w"]:
    """Each picture correlated with a kernel of its own; mirrored at the border."""
    count, channels, height, width = pictures.shape
    rows, columns = kernels.shape[1] // 2, kernels.shape[2] // 2
    padded = F.pad(pictures, (columns, columns, rows, rows), mode="reflect").flatten(0, 1)[None]
    weight = kernels[:, None].expand(-1, channels, -1, -1).flatten(0, 1)[:, None]
    return F.conv2d(padded, weight, groups=count * channels).view(count, channels, height, width)


def motion_kernels(
    length_px: Float[Tensor, " n"], angle_rad: Float[Tensor, " n"], longest_px: float
) -> Float[Tensor, "n k k"]:
    """Averages along straight lines, as `augment.motion_blur` makes them."""
    size = 2 * math.ceil(longest_px / 2) + 3
    along = torch.linspace(-1, 1, 8 * size, device=length_px.device)
    x, y = (
        size // 2 + 0.5 * (length_px * direction)[:, None] * along for direction in (angle_rad.cos(), angle_rad.sin())
    )
    left, top = x.floor(), y.floor()
    kernels = torch.zeros(len(length_px), size * size, device=length_px.device)
    for right, down in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (1 - (x - left - right).abs()) * (1 - (y - top - down).abs())
        kernels.scatter_add_(1, ((top + down) * size + left + right).long(), weight)
    return (kernels / kernels.sum(1, keepdim=True)).view(-1, size, size)


def demosaiced(pictures: Pictures) -> Pictures:
    """Seen through a Bayer mosaic (red in the even rows and columns) and interpolated back, bilinearly."""
    red, blue = torch.zeros_like(pictures[:1, 0]), torch.zeros_like(pictures[:1, 0])
    red[:, ::2, ::2], blue[:, 1::2, 1::2] = 1, 1
    sparse = pictures * torch.stack([red, 1 - red - blue, blue], 1)
    corner = torch.tensor([1.0, 2.0, 1.0], device=pictures.device) / 2
    kernels = torch.outer(corner, corner).repeat(3, 1, 1)
    kernels[1, ::2, ::2] = 0
    kernels[1] /= 2
    kernels[1, 1, 1] = 1
    return F.conv2d(F.pad(sparse, (1, 1, 1, 1), mode="reflect"), kernels[:, None], groups=3)


def _on_some(pictures: Pictures, chosen: Int64[Tensor, " k"], effect: Callable[[Pictures], Pictures]) -> Pictures:
    if len(chosen) == len(pictures):
        return effect(pictures)
    if len(chosen) == 0:
        return pictures
    return pictures.index_copy(0, chosen, effect(pictures[chosen]))


def _smoothed(pictures: Float[Tensor, "n c h w"], sigma_px: Float[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
    at = torch.arange(-GAUSSIAN_REACH, GAUSSIAN_REACH + 1, device=pictures.device)
    bell = torch.exp(-0.5 * (at / sigma_px[:, None]).square())
    bell = bell / bell.sum(1, keepdim=True)
    return filtered(filtered(pictures, bell[:, None]), bell[:, :, None])


def _soften_or_sharpen(pictures: Pictures, dice: Dice) -> Pictures:
    count = len(pictures)
    smooth = _smoothed(pictures, dice.uniform(0.4, 1.0, count))
    sharper = (pictures + dice.uniform(0.2, 1.2, count, 1, 1, 1) * (pictures - smooth)).clamp(0, 1)
    return torch.where(dice.chance(0.5, count, 1, 1, 1), smooth, sharper)


def _sensor_noise(pictures: Pictures, options: AugmentOptions, dice: Dice) -> Pictures:
    """Read and shot noise; sometimes grey, sometimes smoothed by a denoiser."""
    count = len(pictures)
    deviation, shot = dice.log_uniform(*options.noise_deviation, count, 1, 1, 1), dice.uniform(0, 1, count, 1, 1, 1)
    noise = dice.normal(*pictures.shape)
    noise = torch.where(dice.chance(0.3, count, 1, 1, 1), noise[:, :1], noise)
    smooth = dice.some_of(count, 0.25)
    noise = _on_some(noise, smooth, lambda some: 1.5 * _smoothed(some, dice.uniform(0.4, 0.9, len(some))))
    return pictures + noise * deviation * (1 - shot + 2 * shot * pictures).clamp_min(0).sqrt()
