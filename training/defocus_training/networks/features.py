"""Fixed front end: what blur does to an image, freed of its brightness and contrast.

Blur lowers the energy of fine bands against coarse ones, whatever the picture shows; a network given raw RGB does not
learn that in reasonable time. Everything here is average pooling and 4×4 unshuffling: cheap, and alike on all backends.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 4
BANDS = 4
FEATURES = STRIDE**2 + 2 * BANDS + 1 + 3
"""Unshuffled luminance (16), band energies in a small and a large window (8), log contrast (1), mean colour (3)."""
NOISE_FLOOR = 1e-5
LUMINANCE = (0.299, 0.587, 0.114)  # Rec. 601 luma: the values are encoded, not linear


class DefocusFeatures(nn.Module):
    """Contrast-normalised luminance, log band energies and mean colour at a quarter of the image's size."""

    luminance: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("luminance", torch.tensor(LUMINANCE).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c h4 w4"]:
        """Features of `image` (0..1, encoded); h and w are multiples of 8."""
        luma = (image * self.luminance).sum(1, keepdim=True)
        cells = F.pixel_unshuffle(luma, STRIDE)
        mean = _pool(cells.mean(1, keepdim=True), 9)
        variance = _pool(cells.square().mean(1, keepdim=True), 9) - mean.square()
        variance = variance.clamp_min(0) + NOISE_FLOOR
        normalised = (cells - mean) * variance.rsqrt()
        colour = F.avg_pool2d(image, STRIDE) - 0.5
        return torch.cat([normalised, _band_energies(luma, variance), 0.2 * variance.log() + 1, colour], 1)


def _band_energies(luma: Float[Tensor, "b 1 h w"], variance: Float[Tensor, "b 1 h4 w4"]) -> Float[Tensor, "b c h4 w4"]:
    """Log share of the contrast in gradients at scales 1, 2, 4, 8 px, in windows of 12 and 36 px."""
    shares = []
    for band in range(BANDS):
        energy = _gradient_energy(luma)
        energy = F.avg_pool2d(energy, STRIDE >> band) if band < 2 else energy
        if band > 2:
            energy = F.interpolate(energy, size=variance.shape[-2:], mode="nearest")
        for window in (3, 9):
            shares.append(0.25 * ((_pool(energy, window) + NOISE_FLOOR) / variance).log() + 0.5)
        luma = F.avg_pool2d(luma, 2)
    return torch.cat(shares, 1)


def _gradient_energy(luma: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Squared forward differences, zero on the last row and column."""
    dx = F.pad(luma[..., :, 1:] - luma[..., :, :-1], (0, 1, 0, 0))
    dy = F.pad(luma[..., 1:, :] - luma[..., :-1, :], (0, 0, 0, 1))
    return dx.square() + dy.square()


def _pool(values: Float[Tensor, "b c h w"], window: int) -> Float[Tensor, "b c h w"]:
    return F.avg_pool2d(values, window, 1, window // 2, count_include_pad=False)
