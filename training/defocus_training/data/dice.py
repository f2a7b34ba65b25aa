"""Random numbers on a device, from one seed; nothing here waits for the device."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor


class Dice:
    """Draws tensors on `device`; two of the same seed draw the same."""

    def __init__(self, device: torch.device, seed: int) -> None:
        self.device = device
        self._generator = torch.Generator(device).manual_seed(seed)
        self._host = np.random.default_rng(seed)

    def uniform(self, low: float, high: float, *shape: int) -> Float[Tensor, ...]:
        """Uniform in [low, high)."""
        return torch.rand(shape, generator=self._generator, device=self.device) * (high - low) + low

    def log_uniform(self, low: float, high: float, *shape: int) -> Float[Tensor, ...]:
        """exp of a uniform between the logarithms."""
        return self.uniform(math.log(low), math.log(high), *shape).exp()

    def normal(self, *shape: int) -> Float[Tensor, ...]:
        """Of mean 0 and deviation 1."""
        return torch.randn(shape, generator=self._generator, device=self.device)

    def chance(self, probability: float, *shape: int) -> Tensor:
        """True with this probability."""
        return self.uniform(0.0, 1.0, *shape) < probability

    def below(self, bound: Int64[Tensor, ...] | int, *shape: int) -> Int64[Tensor, ...]:
        """Whole numbers 0 ≤ x < bound, which may differ from place to place."""
        return (self.uniform(0.0, 1.0, *shape).double() * bound).long()

    def some_of(self, count: int, share: float) -> Int64[Tensor, " k"]:
        """Random places among `count`, in number `share`·count on average: known on the host, so nobody waits."""
        number = int(share * count + self._host.random())
        return torch.randperm(count, generator=self._generator, device=self.device)[:number]
