"""`crops` for whole batches on a device: pairs cut from a `StackBank` by affine sampling, augmented there."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from ..networks.model import UNKNOWN_NEAREST_PX
from .augment import AugmentOptions
from .crops import BOUND_SLACK, STRIDE, CropOptions, Pair
from .device_augment import camera_effects, random_tones
from .dice import Dice
from .photometric import PhotometricPair
from .pool import SRGB_TO_LINEAR
from .stack_bank import StackBank

BATCHES_PER_LOOK = 50
"""Batches between looks for new shards."""
QUARTER = 0.25
"""A pixel of a reduced picture is the mean of four samples, this far from its centre."""


@dataclass(frozen=True)
class Windows:
    """Where n pairs come from: a stack, two of its frames, and the map from the crop's frame (±1) to the stack's."""

    stack: Int64[Tensor, " n"]
    frames: Int64[Tensor, "n 2"]
    ratio: Float[Tensor, " n"]
    affine: Float[Tensor, "n 2 3"]
    size_px: int

    def place(self, values: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c s s"]:
        """Values of the windows, resampled and turned: bilinear where they grow, an area's mean where they shrink."""
        shape = [len(values), values.shape[1], self.size_px, self.size_px]
        pixel = 2.0 / self.size_px  # in the crop's frame
        reach = QUARTER * pixel * (self.ratio < 1).to(values)
        total = torch.zeros(shape, device=values.device)
        for x, y in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
            offset = self.affine[:, :, :2] @ (reach[:, None] * values.new_tensor([x, y]))[:, :, None]
            affine = torch.cat([self.affine[:, :, :2], self.affine[:, :, 2:] + offset], 2)
            grid = F.affine_grid(affine, shape, align_corners=False)
            total += F.grid_sample(values, grid, padding_mode="border", align_corners=False)
        return total / 4

    def of_frames(self, count: int) -> Windows:
        """Each window `count` times over: one per frame."""
        stack, frames, ratio, affine = (
            values.repeat_interleave(count, 0) for values in (self.stack, self.frames, self.ratio, self.affine)
        )
        return Windows(stack, frames, ratio, affine, self.size_px)


class DevicePairs:
    """Endless batches of augmented pairs on the bank's device."""

    def __init__(self, bank: StackBank, crops: CropOptions, augment: AugmentOptions, seed: int) -> None:
        self.bank, self.crops, self.augment = bank, crops, augment
        self.dice = Dice(bank.focus_px.device, seed)
        self._linear = torch.from_numpy(SRGB_TO_LINEAR).to(bank.focus_px.device)

    def batches(self, pairs: int) -> Iterator[Pair]:
        """Batches of `pairs`; now and then the bank looks for new shards."""
        for drawn in itertools.count():
            if drawn % BATCHES_PER_LOOK == 0:
                self.bank.take_new_shards()
            yield self.pairs_of(self._choose(pairs))

    def photometric_batches(self, pairs: int) -> Iterator[PhotometricPair]:
        """Batches with the stack's own frames in linear light, and the composite of their sharpest pixels."""
        while True:
            yield self._photometric(self._choose(pairs))

    def pairs_of(self, windows: Windows) -> Pair:
        """The pairs at `windows`, through one camera's tone curve and, frame by frame, its other effects."""
        bank, stack, count = self.bank, windows.stack, len(windows.stack)
        raw = bank.frames[stack[:, None], windows.frames].flatten(0, 1).float() / 255
        pictures = windows.of_frames(2).place(raw).unflatten(0, (count, 2))
        pictures = random_tones(pictures, self.augment, self.dice).flatten(0, 1)
        taken, motion = camera_effects(pictures, self.augment, self.dice)
        target, deviation, weight = self._targets(windows)
        return Pair(
            taken.unflatten(0, (count, 2)),
            bank.focus_px[stack[:, None], windows.frames] * windows.ratio[:, None],
            target * windows.ratio.view(-1, 1, 1, 1),
            deviation * (windows.ratio / math.sqrt(2)).view(-1, 1, 1, 1),
            weight,
            bank.outside[stack[:, None], windows.frames].float(),
            bank.standing[stack].float(),
            self._told_nearest_px(stack) * windows.ratio,
            motion.view(count, 2),
        )

    def _photometric(self, windows: Windows) -> PhotometricPair:
        bank, stack, count = self.bank, windows.stack, len(windows.stack)
        third = self.dice.below(bank.focus_px.shape[1], count, 1)
        frames = torch.cat([windows.frames, third], 1)
        captured = self._linear[bank.frames[stack[:, None], frames].flatten(0, 1).long()]
        coc = (bank.focus_px[stack][:, :, None, None] - bank.teacher_px[stack].float()[:, None]).abs()
        least, nearest = coc.min(1, keepdim=True)
        own = bank.frames[stack].gather(1, nearest[:, :, None].expand(-1, 1, 3, -1, -1))[:, 0]
        return PhotometricPair(
            self.pairs_of(windows),
            windows.place(self._linear[own.long()]),
            windows.place(least) * windows.ratio.view(-1, 1, 1, 1),
            windows.of_frames(3).place(captured).unflatten(0, (count, 3)),
            bank.focus_px[stack[:, None], frames] * windows.ratio[:, None],
        )

    def _told_nearest_px(self, stack: Int64[Tensor, " n"]) -> Float[Tensor, " n"]:
        """One of three true statements on the largest u of each stack, as in `crops`."""
        kind = self.dice.uniform(0, 1, len(stack))
        nearest = self.bank.nearest_px[stack]
        rig = torch.maximum(self.bank.focus_px[stack].amax(1), nearest)
        bound = nearest * self.dice.uniform(*BOUND_SLACK, len(stack))
        known = self.crops.rig_share + self.crops.bound_share
        told = torch.where(kind < self.crops.rig_share, rig, bound)
        return torch.where(kind < known, told, UNKNOWN_NEAREST_PX)

    def _targets(self, windows: Windows) -> tuple[Tensor, ...]:
        """u of the windows, the deviation of its error and its weight, means over 4×4 cells, each (n, 1, h/4, w/4)."""
        deviation = self.bank.deviation_px[windows.stack].float()
        maps = torch.stack([self.bank.target_px[windows.stack].float(), deviation, self.crops.trust(deviation)], 1)
        return F.avg_pool2d(windows.place(maps), STRIDE).split(1, 1)

    def _choose(self, count: int) -> Windows:
        """Random places in random stacks, by the rules of `crops.choose_crop`."""
        extent, size = self.bank.frames.shape[-1], self.crops.size_px
        stack = self.dice.below(self.bank.count, count)
        side = (size / self.dice.log_uniform(*self.augment.rescale, count)).round().clamp_max(extent)
        corner = self.dice.below((extent - side + 1).long()[:, None], count, 2)
        centre = (2 * corner + side[:, None]) / extent - 1
        turns = _turns(self.dice, count, self.crops.upright_share)
        affine = torch.cat([(side / extent)[:, None, None] * turns, centre[:, :, None]], 2)
        return Windows(stack, self._choose_frames(stack), size / side, affine, size)

    def _choose_frames(self, stack: Int64[Tensor, " n"]) -> Int64[Tensor, "n 2"]:
        crops, dice, count = self.crops, self.dice, len(stack)
        usable, many = self.bank.usable[stack], self.bank.usable_count[stack]
        first = torch.where(dice.chance(crops.near_share, count), 0, 1 + dice.below(many - 1, count))
        second = torch.where(dice.chance(crops.far_share, count), many - 1, dice.below(many, count))
        second = torch.where(second == first, (first + 1) % many, second) if crops.siamese else first
        return usable.gather(1, torch.stack([first, second], 1))


def _turns(dice: Dice, count: int, upright_share: float) -> Float[Tensor, "n 2 2"]:
    """Rotations by quarter turns, mirrored or not."""
    quarters = torch.where(dice.chance(upright_share, count), 0, dice.below(4, count))
    cosine, sine = (torch.tensor(table, device=dice.device)[quarters] for table in ([1, 0, -1, 0], [0, 1, 0, -1]))
    mirror = 1 - 2 * dice.below(2, count)
    return torch.stack([mirror * cosine, -sine, mirror * sine, cosine], 1).view(-1, 2, 2).float()
