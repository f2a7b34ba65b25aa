"""Crops with what the photometric losses compare against: the stack's frames and a composite of its sharpest pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .crops import Crop, Pair, PairStream, choose_crop, pair_of
from .pool import SRGB_TO_LINEAR

Rng = np.random.Generator


class PhotometricPair(NamedTuple):
    """A `Pair`, and the same crop of the stack itself, in linear light and without augmentation.

    `sharp` is the composite of the frames nearest to focus, `sharp_coc_px` the blur it still has, `captured` the frames
    at `captured_focus_px`: the pair's two, and one more.
    """

    pair: Pair
    sharp: Float[Tensor, "*b 3 h w"]
    sharp_coc_px: Float[Tensor, "*b 1 h w"]
    captured: Float[Tensor, "*b f 3 h w"]
    captured_focus_px: Float[Tensor, "*b f"]


class PhotometricPairs(PairStream):
    """Endless stream of photometric pairs; made from frames and the teacher alone, under any supervision."""

    def draw(self, rng: Rng) -> PhotometricPair:  # type: ignore[override]
        """One pair with its photometric targets."""
        crop = choose_crop(rng, self.source.random_shard(rng), self.crops, self.augment)
        frames = [*crop.frames, int(rng.integers(crop.shard.focus_px.shape[1]))]
        sharp, sharp_coc = _composite(crop)
        return PhotometricPair(
            pair_of(rng, crop, self.supervision, self.crops, self.augment),
            _planes(sharp),
            torch.from_numpy(sharp_coc)[None],
            torch.stack([_planes(_linear(crop, frame)) for frame in frames]),
            torch.from_numpy((crop.shard.focus_px[crop.stack, frames] * crop.ratio).astype(np.float32)),
        )

    def batches(self, size: int, seed: int) -> Iterator[PhotometricPair]:
        """Batches of `size`, drawn in the calling process."""
        rng = np.random.default_rng(seed)
        while True:
            drawn = [self.draw(rng) for _ in range(size)]
            pairs = Pair(*(torch.stack(field) for field in zip(*(one.pair for one in drawn), strict=True)))
            rest = (torch.stack(field) for field in zip(*(one[1:] for one in drawn), strict=True))
            yield PhotometricPair(pairs, *rest)


def _linear(crop: Crop, frame: int) -> np.ndarray:
    return crop.place(SRGB_TO_LINEAR[crop.shard.frames[crop.stack, frame][crop.window]])


def _composite(crop: Crop) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel from the frame whose focus is nearest to the teacher's depth, and the |CoC| left there (px)."""
    u = crop.shard.teacher_px[crop.stack][crop.window].astype(np.float32)
    coc = np.abs(crop.shard.focus_px[crop.stack][:, None, None] - u)
    nearest = coc.argmin(0)
    frames = crop.shard.frames[crop.stack][:, crop.window[0], crop.window[1]]
    rows, columns = np.indices(nearest.shape)
    sharp = SRGB_TO_LINEAR[frames[nearest, rows, columns]]
    return crop.place(sharp), crop.place(coc.min(0)) * np.float32(crop.ratio)


def _planes(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
