"""Augmented pairs of crops from a pool: what one training step sees."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from ..networks.model import UNKNOWN_NEAREST_PX
from ..networks.sdnet import LARGEST_COC_PX
from .augment import AugmentOptions, Photograph, camera_effects, tone_curve
from .pool import TRAINING_SEED_BASE, Shard
from .ranges import Share
from .sources import ShardSource

Supervision = Literal["self", "truth"]
STRIDE = 4
BLUR_SHARE = 0.95
"""Of a frame's pixels, whose |CoC| SDNet must be able to express."""
OTHER_SIDE_PX, OTHER_SIDE_SHARE = 1.0, 0.02
"""Blur with the other sign, and the share of pixels with more of it, up to which a frame's blur has one sign."""
NEAREST_QUANTILE = 0.998
BOUND_SLACK = (1.0, 1.3)
"""What is told over what is there."""
Rng = np.random.Generator
Deviation = TypeVar("Deviation", np.ndarray, Tensor)


class Pair(NamedTuple):
    """Two frames of one stack through one crop; leading axis 2 (frames), before it the batch's.

    `image` 0..1, `focus_px` φ, `target_px` u = G/d at stride 4, `target_scale_px` the Laplace
    scale of its error, `weight` 0..1 of the target, `outside` 1 where the frame is the stack's first and focused
    nearer, or its last and focused farther, than the whole scene (its blur has one sign, which the other frame's
    focus tells), else 0; `standing` 1 where things stand on tables or floors, so that their layout shows the sign of
    blur, else 0; `nearest_px` ν, what the networks are told of the largest u there can be; `motion_px` by how much
    each frame is blurred by motion.
    """

    image: Float[Tensor, "*b 2 3 h w"]
    focus_px: Float[Tensor, "*b 2"]
    target_px: Float[Tensor, "*b 1 h4 w4"]
    target_scale_px: Float[Tensor, "*b 1 h4 w4"]
    weight: Float[Tensor, "*b 1 h4 w4"]
    outside: Float[Tensor, "*b 2"]
    standing: Float[Tensor, "*b"]
    nearest_px: Float[Tensor, "*b"]
    motion_px: Float[Tensor, "*b 2"]

    @property
    def lens_px(self) -> Float[Tensor, "*b 2 2"]:
        """φ and ν of every frame."""
        return torch.stack([self.focus_px, self.nearest_px[..., None].expand_as(self.focus_px)], -1)


@dataclass(frozen=True)
class CropOptions:
    """How crops are drawn from stacks."""

    size_px: Annotated[int, Field(gt=0, multiple_of=32)] = 128
    """Width and height of a crop; a multiple of 32."""
    near_share: Share = 0.75
    """Probability that a pair's first frame is the one focused nearest: as a rule, nearer than the scene."""
    far_share: Share = 0.2
    """Probability that the second is the one focused farthest: as a rule, farther than the scene."""
    siamese: bool = True
    """False shows the same frame twice, through two cameras (an ablation): no second focus setting, no consistency."""
    trusted_deviation_px: Annotated[float, Field(gt=0)] = 0.7
    """Deviation at which a teacher's target counts half."""
    upright_share: Share = 0.7
    """Probability that a crop stays upright (mirrored or not): floors are below, and nearer further down. The other
    crops are turned by quarters, for cameras that are mounted on their side or upside down."""
    rig_share: Share = 0.5
    """Probability that the networks are told what the rig knows: nothing is nearer than the nearest focus (or, where
    that is not so, than the scene's nearest depth)."""
    bound_share: Share = 0.25
    """Probability that they are told the nearest depth of the scene, or a little less; else they know nothing."""
    least_weight: Share = 0.08
    """Weight of a target that the teacher is not sure of: it followed from the surroundings."""

    def trust(self, deviation_px: Deviation) -> Deviation:
        """Weight 0..1 of targets whose error has this deviation; plain arithmetic, for arrays and tensors."""
        return self.least_weight + (1 - self.least_weight) / (1 + (deviation_px / self.trusted_deviation_px) ** 2)


class PairStream(IterableDataset[Pair]):
    """Endless stream of pairs; `supervision: self` never reads the source's exact depth."""

    def __init__(
        self, source: ShardSource, supervision: Supervision, seed: int, crops: CropOptions, augment: AugmentOptions
    ) -> None:
        self.source, self.seed = source, seed
        self.supervision: Supervision = supervision
        self.crops, self.augment = crops, augment

    def __iter__(self) -> Iterator[Pair]:
        worker = get_worker_info()
        rng = np.random.default_rng([TRAINING_SEED_BASE, self.seed, worker.id if worker else 0])
        while True:
            yield self.draw(rng)

    def draw(self, rng: Rng) -> Pair:
        """One augmented pair."""
        return draw_pair(rng, self.source.random_shard(rng), self.supervision, self.crops, self.augment)


class Turn:
    """A rotation by quarter turns and a mirror, the same for every array of a pair."""

    def __init__(self, quarters: int, mirrored: bool) -> None:
        self.quarters, self.step = quarters, -1 if mirrored else 1

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.rot90(values, self.quarters)[:, :: self.step])


@dataclass(frozen=True)
class Crop:
    """Where a pair comes from: two frames of one stack, a window that is resampled by `ratio`, and a turn."""

    shard: Shard
    stack: int
    frames: list[int]
    window: tuple[slice, slice]
    ratio: float
    turn: Turn
    size_px: int

    def place(self, values: np.ndarray) -> np.ndarray:
        """Values of the window, resampled and turned: (size, size[, c])."""
        return self.turn(_resized(values, self.size_px))


def draw_pair(rng: Rng, shard: Shard, supervision: Supervision, crops: CropOptions, augment: AugmentOptions) -> Pair:
    """One augmented pair from a random stack of `shard`."""
    return pair_of(rng, choose_crop(rng, shard, crops, augment), supervision, crops, augment)


def choose_crop(rng: Rng, shard: Shard, crops: CropOptions, augment: AugmentOptions) -> Crop:
    """A random place in a random stack."""
    stack = int(rng.integers(len(shard.focus_px)))
    frames = _choose_frames(rng, usable_frames(shard, stack), crops)
    window, ratio = _choose_window(rng, shard.frames.shape[2], crops, augment)
    turn = _choose_turn(rng, crops)
    return Crop(shard, stack, frames, window, ratio, turn, crops.size_px)


def pair_of(rng: Rng, crop: Crop, supervision: Supervision, crops: CropOptions, augment: AugmentOptions) -> Pair:
    """The pair at `crop`, through one camera's tone curve and, frame by frame, its other effects."""
    target, deviation = _targets(crop, supervision)
    tone = tone_curve(rng, augment)
    taken = [_photograph(rng, crop, frame, tone, augment) for frame in crop.frames]
    return Pair(
        torch.from_numpy(np.stack([each.picture for each in taken]).transpose(0, 3, 1, 2).copy()),
        torch.from_numpy((crop.shard.focus_px[crop.stack, crop.frames] * crop.ratio).astype(np.float32)),
        _cells(crop.place(target) * np.float32(crop.ratio)),
        _cells(crop.place(deviation) * np.float32(crop.ratio / math.sqrt(2))),
        _cells(crop.place(crops.trust(deviation).astype(np.float32))),
        torch.from_numpy(outside_frames(crop.shard, crop.stack)[crop.frames].astype(np.float32)),
        torch.tensor(float(crop.shard.standing[crop.stack])),
        torch.tensor(_told_nearest_px(rng, crop, crops) * crop.ratio, dtype=torch.float32),
        torch.tensor([each.motion_px for each in taken]),
    )


def _photograph(rng: Rng, crop: Crop, frame: int, tone: np.ndarray, augment: AugmentOptions) -> Photograph:
    toned = tone[crop.shard.frames[crop.stack, frame][crop.window], np.arange(3)]
    return camera_effects(rng, crop.place(toned), augment)


def _told_nearest_px(rng: Rng, crop: Crop, crops: CropOptions) -> float:
    """One of three true statements on the largest u = G/d of the stack; by the teacher's depth, never the exact one."""
    kind, slack = rng.random(), rng.uniform(*BOUND_SLACK)
    if kind >= crops.rig_share + crops.bound_share:
        return UNKNOWN_NEAREST_PX
    bound = nearest_taught_px(crop.shard, crop.stack)
    if kind >= crops.rig_share:
        return bound * slack
    return max(bound, float(crop.shard.focus_px[crop.stack].max()))  # real sweeps may start inside the scene


def nearest_taught_px(shard: Shard, stack: int) -> float:
    """Largest u (px) of a stack by its teacher, but for single wrong pixels."""
    return float(np.quantile(shard.teacher_px[stack, ::4, ::4].astype(np.float32), NEAREST_QUANTILE))


def usable_frames(shard: Shard, stack: int) -> list[int]:
    """Frames whose blur SDNet can express by the teacher's depth, nearest focus first; the two least blurred at least.

    Where a scene is very near (u up to 60 px), those focused nearer than all of it are blurred beyond recognition:
    there the networks see frames focused inside the scene, as a camera that cannot focus nearer takes them.
    """
    u = shard.teacher_px[stack, ::8, ::8].astype(np.float32).ravel()
    blur = np.quantile(np.abs(shard.focus_px[stack][:, None] - u), BLUR_SHARE, axis=1)
    limit = max(LARGEST_COC_PX, float(np.sort(blur)[1]))
    return [int(frame) for frame in np.flatnonzero(blur <= limit)]


def outside_frames(shard: Shard, stack: int) -> npt.NDArray[np.bool_]:
    """(K,) of a stack: its first frame if that is focused nearer, and its last if farther, than the whole scene.

    By the teacher's depth, but for a few wrong pixels. Sweeps of real cameras often begin or end inside the scene.
    """
    u, focus = shard.teacher_px[stack, ::4, ::4].astype(np.float32), shard.focus_px[stack]
    outside = np.zeros(len(focus), np.bool_)
    outside[0] = (u > focus[0] + OTHER_SIDE_PX).mean() <= OTHER_SIDE_SHARE
    outside[-1] = (u < focus[-1] - OTHER_SIDE_PX).mean() <= OTHER_SIDE_SHARE
    return outside


def _choose_frames(rng: Rng, usable: list[int], crops: CropOptions) -> list[int]:
    first = 0 if rng.random() < crops.near_share else int(rng.integers(1, len(usable)))
    second = len(usable) - 1 if rng.random() < crops.far_share else int(rng.integers(len(usable)))
    if not crops.siamese:
        return [usable[first], usable[first]]
    return [usable[first], usable[second if second != first else (first + 1) % len(usable)]]


def _targets(crop: Crop, supervision: Supervision) -> tuple[np.ndarray, np.ndarray]:
    """u of the window and the deviation of its error; the exact depth is looked at under `supervision: truth` only."""
    shard, at = crop.shard, (crop.stack, *crop.window)
    if supervision == "truth":
        truth = shard.truth_px[at].astype(np.float32)
        return truth, np.zeros_like(truth)
    return shard.teacher_px[at].astype(np.float32), shard.teacher_deviation_px[at].astype(np.float32)


def _choose_turn(rng: Rng, crops: CropOptions) -> Turn:
    quarters = 0 if rng.random() < crops.upright_share else int(rng.integers(4))
    return Turn(quarters, bool(rng.integers(2)))


def _choose_window(
    rng: Rng, extent: int, crops: CropOptions, augment: AugmentOptions
) -> tuple[tuple[slice, slice], float]:
    side = min(extent, round(crops.size_px / np.exp(rng.uniform(*np.log(augment.rescale)))))
    top, left = rng.integers(0, extent - side + 1, 2)
    return (slice(int(top), int(top) + side), slice(int(left), int(left) + side)), crops.size_px / side


def _resized(values: np.ndarray, size: int) -> np.ndarray:
    interpolation = cv2.INTER_AREA if values.shape[0] > size else cv2.INTER_LINEAR
    return values if values.shape[0] == size else cv2.resize(values, (size, size), interpolation=interpolation)


def _cells(values: np.ndarray) -> Tensor:
    """Mean over 4×4 cells, (1, h/4, w/4)."""
    height, width = values.shape
    return torch.from_numpy(values.reshape(height // STRIDE, STRIDE, width // STRIDE, STRIDE).mean((1, 3)))[None]
