"""Re-blur without occlusion: every pixel shows the sharp picture blurred by that pixel's own circle of confusion.

What most published self-supervision renders with (Gur & Wolf 2019 among others). It gathers where light scatters, so it
is wrong at depth edges; kept to measure what occlusion is worth (`photometric_renderer: reblur`).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

LEVELS_PX = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 11.0, 15.0, 20.0, 26.0, 32.0)
"""Blur diameters that are computed; between them pictures are blended."""
_SUBPIXELS = 8


def reblur_sweep(
    colour: Float[Tensor, "b 3 h w"], inverse_depth: Float[Tensor, "b 1 h w"], coc_px: Float[Tensor, "b f h w"]
) -> tuple[Float[Tensor, "b f 3 h w"], Float[Tensor, "b f h w"]]:
    """`splat_sweep` without its occlusion: `inverse_depth` is not looked at.

    Returns the pictures and ones for coverage; gradients reach `colour` and `coc_px`.
    """
    del inverse_depth  # what occludes what plays no part here
    levels = torch.stack([_disc_blurred(colour, diameter) for diameter in LEVELS_PX])
    size = coc_px.abs().clamp(LEVELS_PX[0], LEVELS_PX[-1] - 1e-3)
    bounds = coc_px.new_tensor(LEVELS_PX)
    below = (torch.bucketize(size.detach(), bounds, right=True) - 1).clamp(0, len(LEVELS_PX) - 2)
    share = (size - bounds[below]) / (bounds[below + 1] - bounds[below])
    frames = [
        torch.lerp(_chosen(levels, below[:, k]), _chosen(levels, below[:, k] + 1), share[:, k, None])
        for k in range(coc_px.shape[1])
    ]
    return torch.stack(frames, 1), torch.ones_like(coc_px)


def _chosen(levels: Float[Tensor, "l b 3 h w"], index: Tensor) -> Float[Tensor, "b 3 h w"]:
    return levels.gather(0, index[None, :, None].expand(1, -1, 3, -1, -1))[0]


def _disc_blurred(picture: Float[Tensor, "b 3 h w"], diameter_px: float) -> Float[Tensor, "b 3 h w"]:
    reach = int(diameter_px / 2 + 0.5)
    if reach == 0:
        return picture
    kernel = _disc(diameter_px, reach).to(picture).expand(3, 1, -1, -1)
    return F.conv2d(F.pad(picture, (reach,) * 4, mode="replicate"), kernel, groups=3)


def _disc(diameter_px: float, reach: int) -> Float[Tensor, "k k"]:
    """Share of each pixel's area inside the disc, normalised."""
    fine = (torch.arange((2 * reach + 1) * _SUBPIXELS) + 0.5) / _SUBPIXELS - reach - 0.5
    inside = (fine[:, None].square() + fine.square() < (diameter_px / 2) ** 2).float()
    cells = F.avg_pool2d(inside[None, None], _SUBPIXELS)[0, 0]
    return cells / cells.sum()
