"""Likelihood of a value under a predicted Laplace distribution: the network says how wrong it may be."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

SMALLEST_SPREAD = 1e-6


class Uncertain(NamedTuple):
    """A value that is Laplace-distributed itself: `location`, and `scale` ≥ 0 (0: it is known)."""

    location: Float[Tensor, "*n"]
    scale: Float[Tensor, "*n"]


def laplace_nll(
    value: Uncertain, location: Float[Tensor, "*n"], scale: Float[Tensor, "*n"], weight: Float[Tensor, "*n"]
) -> Float[Tensor, ""]:
    """Weighted mean of E|x − μ|/b + log 2b (Kendall & Gal 2017, with the Laplace distribution for robustness).

    The expectation is over the value's own distribution: E|x − μ| = |m − μ| + s·e^(−|m − μ|/s) for x about m with scale
    s. A prediction that agrees with an unsure teacher is thus no surer than the teacher. The location does not feel the
    second term: what the teacher is unsure of counts less by its `weight`; where the camera moved, the target is right
    all the same, and only what can be seen of it is doubtful.
    """
    distance = (value.location - location).abs()
    spread = value.scale * torch.exp(-distance.detach() / value.scale.clamp_min(SMALLEST_SPREAD))
    nll = (distance + spread) / scale + (2 * scale).log()
    return (weight * nll).sum() / weight.sum().clamp_min(1e-6)
