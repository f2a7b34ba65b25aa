"""Likelihood of a value under a predicted Laplace distribution: the network says how wrong it may be."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def laplace_nll(
    value: Float[Tensor, "*n"], location: Float[Tensor, "*n"], scale: Float[Tensor, "*n"], weight: Float[Tensor, "*n"]
) -> Float[Tensor, ""]:
    """Weighted mean of |x − μ|/b + log 2b (Kendall & Gal 2017, with the Laplace distribution for robustness)."""
    nll = (value - location).abs() / scale + (2 * scale).log()
    return (weight * nll).sum() / weight.sum().clamp_min(1e-6)
