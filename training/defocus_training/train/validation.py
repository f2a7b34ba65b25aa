"""Figures of the averaged model on held-out shards, against the supervision the run itself may see."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..data.crops import Pair, draw_pair
from ..networks import DefocusModel
from .config import TrainConfig, shard_source
from .step import pair_losses

VALIDATION_PAIRS = 192
VALIDATION_SEED = 424242


def validation_batches(config: TrainConfig) -> list[Pair]:
    """Fixed batches from the held-out shards, augmented as in training."""
    rng = np.random.default_rng(VALIDATION_SEED)
    shards = shard_source(config).held_out()
    pairs = (
        draw_pair(rng, shard, config.supervision, config.crops, config.augment) for shard in itertools.cycle(shards)
    )
    return list(batched(itertools.islice(pairs, VALIDATION_PAIRS), config.pairs_per_step))


def batched(pairs: Iterator[Pair], size: int) -> Iterator[Pair]:
    """Stack `size` pairs at a time along a new first axis."""
    while group := list(itertools.islice(pairs, size)):
        yield Pair(*(torch.stack(field) for field in zip(*group, strict=False)))


@torch.no_grad()
def validate(model: DefocusModel, batches: list[Pair], config: TrainConfig) -> dict[str, float]:
    """Mean loss terms, |CoC| error (px) and AbsRel over trusted pixels of frames focused nearer than the scene.

    Where no frame is focused so, as in sweeps that begin inside their scenes, there are no errors.
    """
    model.eval()
    terms: dict[str, float] = {}
    errors: dict[str, float] = {}
    trusted = 0.0
    for pair in batches:
        for name, term in pair_losses(model, pair, config.losses).items():
            terms[name] = terms.get(name, 0.0) + float(term) / len(batches)
        weight = pair.weight * pair.outside[:, 0, None, None, None]
        for name, error in _errors(model, pair).items():
            errors[name] = errors.get(name, 0.0) + float((weight * error).sum())
        trusted += float(weight.sum())
    return terms | ({name: error / trusted for name, error in errors.items()} if trusted else {})


def _errors(model: DefocusModel, pair: Pair) -> dict[str, Float[Tensor, "b 1 h w"]]:
    """Of each pair's first frame, per cell."""
    defocus, inverse = model.estimate_px(pair.image[:, 0], pair.lens_px[:, 0])
    coc = (pair.focus_px[:, 0, None, None, None] - pair.target_px).abs()
    return {
        "coc_error_px": (defocus.coc_px - coc).abs(),
        "abs_rel": (pair.target_px / inverse.u_px - 1).abs(),
        "inverse_depth_error_px": (pair.target_px - inverse.u_px).abs(),
    }
