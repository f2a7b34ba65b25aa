"""`cost_volume` in torch, for all hypotheses at once: what teaches on a GPU."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ..splatting.psf import Psf
from .cost_volume import COC_STEPS_PER_PX, PADDING_PX, CostVolume, noise_over_prior, padded_luminance, placed_kernel
from .views import Views

HYPOTHESES_AT_ONCE = 16
MOST_TRANSFERS = 1024
"""Kept on the device, one per eighth of a pixel of blur and size of picture: 0.25 MB each at 352 px."""


@torch.no_grad()
def torch_cost_volume(
    views: Views, hypotheses_dpt: npt.NDArray[np.float64], psf: Psf, window_px: float, device: torch.device
) -> CostVolume:
    """Costs pooled with a Gaussian window of deviation `window_px`; the same arithmetic as `cost_volume`."""

    def on_device(values: npt.NDArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(device)

    padded = padded_luminance(views)
    frames = torch.fft.rfft2(on_device(padded))
    penalty = on_device(noise_over_prior(padded, views.noise))
    valid, noise = on_device(views.valid), on_device(views.noise_map())
    cocs = views.gain_px_per_dpt * (views.focus_dpt - hypotheses_dpt[:, None])
    costs = []
    for some in np.split(cocs, range(HYPOTHESES_AT_ONCE, len(cocs), HYPOTHESES_AT_ONCE)):
        transfers = _transfers(some, psf, padded.shape[1:], device)
        sharp = (transfers * frames).sum(1) / (transfers.square().sum(1) + penalty)
        left = torch.fft.irfft2(frames - transfers * sharp[:, None], s=padded.shape[1:])
        inside = left[..., PADDING_PX:-PADDING_PX, PADDING_PX:-PADDING_PX]
        unexplained = (inside.square() * valid).sum(1) / (2 * noise.square())
        costs.append(gaussian_blur(unexplained, window_px))
    return CostVolume(torch.cat(costs).cpu().numpy(), hypotheses_dpt)


def gaussian_blur(pictures: Float[Tensor, "n h w"], sigma_px: float) -> Float[Tensor, "n h w"]:
    """As OpenCV's on floats: a window of about ±4σ, mirrored at the border's pixels."""
    half = (round(8 * sigma_px + 1) | 1) // 2
    offsets = torch.arange(-half, half + 1, device=pictures.device, dtype=torch.float32)
    weights = torch.exp(-0.5 * (offsets / sigma_px).square())
    weights = weights / weights.sum()
    planes = F.pad(pictures[:, None], [half] * 4, mode="reflect")
    return F.conv2d(F.conv2d(planes, weights.view(1, 1, -1, 1)), weights.view(1, 1, 1, -1))[:, 0]


def _transfers(
    cocs_px: npt.NDArray, psf: Psf, shape: tuple[int, ...], device: torch.device
) -> Float[Tensor, "k f h w"]:
    keys = np.rint(np.abs(cocs_px) * COC_STEPS_PER_PX).astype(int)
    rows = [torch.stack([_transfer(psf, int(key), shape, device) for key in row]) for row in keys]
    return torch.stack(rows)


@functools.lru_cache(maxsize=MOST_TRANSFERS)
def _transfer(psf: Psf, key: int, shape: tuple[int, ...], device: torch.device) -> Float[Tensor, "h w"]:
    placed = torch.from_numpy(placed_kernel(psf, key / COC_STEPS_PER_PX, shape)).to(device, torch.float32)
    return torch.fft.rfft2(placed).real.contiguous()
