"""The loss of one batch of pairs. Ground truth enters only as `Pair.target_px` of a `supervision: truth` pool."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ..data.crops import Pair
from ..losses import Uncertain, defocus_loss, laplace_nll
from ..networks import Defocus, DefocusModel, InverseDepth
from .config import LossWeights

MOST_EMPHASIS = 12.0


def pair_losses(model: DefocusModel, pair: Pair, weights: LossWeights) -> dict[str, Float[Tensor, ""]]:
    """Every term of the loss, unweighted, of a batch of pairs; the model runs once on all images."""
    image = pair.image.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    defocus, inverse = model.estimate_px(image, pair.lens_px.flatten(0, 1))
    return {
        "sdnet": _sdnet_likelihood(defocus, pair, weights),
        "depthnet": _depthnet_likelihood(inverse, pair, weights),
        "defocus": _siamese_consistency(defocus, pair),
    }


def total_loss(terms: dict[str, Float[Tensor, ""]], weights: LossWeights) -> Float[Tensor, ""]:
    """Sum of the terms by their weights."""
    return torch.stack([getattr(weights, name) * term for name, term in terms.items()]).sum()


def not_finite(terms: dict[str, Float[Tensor, ""]]) -> str:
    """The terms that are not finite, with their values; `gradients` where all are."""
    broken = [f"{name} {float(term.detach()):g}" for name, term in terms.items() if not term.isfinite()]
    return ", ".join(broken) or "gradients that are not"


def _focus_map(pair: Pair) -> Float[Tensor, "b 2 1 1 1"]:
    return pair.focus_px[:, :, None, None, None]


def _sdnet_likelihood(defocus: Defocus, pair: Pair, weights: LossWeights) -> Float[Tensor, ""]:
    coc = (_focus_map(pair) - pair.target_px[:, None]).abs()
    weight = pair.weight[:, None] * _rarity(coc, weights)
    target = Uncertain(coc.flatten(0, 1), _target_scale(pair, coc))
    return laplace_nll(target, defocus.coc_px, defocus.scale_px, weight.flatten(0, 1))


def motion_doubt_px(coc_px: Float[Tensor, "*#n"], motion_px: Float[Tensor, "*#n"]) -> Float[Tensor, "*#n"]:
    """How much larger |CoC| c looks where the camera moved by L: √(c² + ⅔L²) − c.

    A disc's variance along an axis is c²/16; a line's is L²/12 along it and 0 across, in the mean (⅔L²)/16.
    """
    return (coc_px.square() + motion_px.square() * (2 / 3)).sqrt() - coc_px


def _target_scale(pair: Pair, coc_px: Float[Tensor, "b 2 1 h w"]) -> Float[Tensor, "b2 1 h w"]:
    """Laplace scale of the target's own error, and the doubt that motion adds to it."""
    doubt = motion_doubt_px(coc_px, pair.motion_px[:, :, None, None, None])
    return (pair.target_scale_px[:, None] + doubt).flatten(0, 1)


def _rarity(coc_px: Float[Tensor, "b 2 1 h w"], weights: LossWeights) -> Float[Tensor, "b 2 1 h w"]:
    """Evens out how often each blur is seen; without it the networks learn that strong blur hardly happens."""
    return (coc_px / weights.blur_emphasis_px).exp().clamp_max(MOST_EMPHASIS)


def _depthnet_likelihood(inverse: InverseDepth, pair: Pair, weights: LossWeights) -> Float[Tensor, ""]:
    """Pixels weigh (u/φ)^α: with α = 1 the location is the 1/d-weighted median of depth, which minimises AbsRel."""
    target = pair.target_px[:, None].expand(-1, 2, -1, -1, -1)
    nearness = (target / _focus_map(pair).clamp_min(1.0)).clamp(0.02, 4.0) ** weights.near_emphasis
    coc = (_focus_map(pair) - target).abs()
    weight = pair.weight[:, None] * nearness * _sign_known(pair, weights) * _rarity(coc, weights)
    taught = Uncertain(target.flatten(0, 1), _target_scale(pair, coc))
    return laplace_nll(taught, inverse.u_px, inverse.scale_px, weight.flatten(0, 1))


def _sign_known(pair: Pair, weights: LossWeights) -> Float[Tensor, "b 2 1 1 1"]:
    """How much a frame counts: fully if it is focused outside the scene, by the scene's kind and place if inside."""
    share = torch.where(pair.standing > 0, weights.standing_share, weights.inside_share)[:, None]
    far_share = (pair.target_px[:, None] < _focus_map(pair)).float().mean((2, 3, 4))
    inside = share * (far_share / weights.least_far_share).clamp_max(1)
    return (inside + (1 - inside) * pair.outside)[:, :, None, None, None]


def _siamese_consistency(defocus: Defocus, pair: Pair) -> Float[Tensor, ""]:
    coc = defocus.coc_px.unflatten(0, (-1, 2))
    nearer = pair.focus_px[:, 0] > pair.focus_px[:, 1]
    sign = torch.where(nearer, 1.0, -1.0) * pair.outside[:, 0]
    return defocus_loss(coc[:, 0], coc[:, 1], pair.focus_px, sign.view(-1, 1, 1, 1))
