"""The renderers' formulas once more in plain torch, every splat against every pixel: slow, short, with autograd.

Tests compare the fast engines with these; memory grows with (number of splats) × (number of pixels).
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .gaussian_function import SMALLEST_WEIGHT
from .gaussian_kernels import ALPHA_MAX, ALPHA_MIN, OPEN_MIN, WINDOW_FLOOR, WINDOW_SCALE
from .kernel_table import STEP_PX, KernelTable
from .projected import ProjectedSplats


def coverage_weights(alphas: Float[Tensor, "n p"]) -> Float[Tensor, "n p"]:
    """w = min(α, what is left of 1), for alphas ordered front to back."""
    filled = alphas.cumsum(0).clamp(max=1)
    return torch.diff(filled, dim=0, prepend=torch.zeros_like(filled[:1]))


def pixel_coverage_image(
    colour: Float[Tensor, "3 n"],
    coc_px: Float[Tensor, " n"],
    opacity: Float[Tensor, " n"],
    pixel: Int64[Tensor, " n"],
    order: Int64[Tensor, " n"],
    size: tuple[int, int],
    table: KernelTable,
) -> Float[Tensor, "3 h w"]:
    """Twin of `coverage_function.coverage_image` for one picture."""
    height, width = size
    kernels = table_kernels(coc_px, table)
    reach = kernels.shape[-1] // 2
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    dy = rows.flatten()[None] - (pixel // width)[:, None]
    dx = columns.flatten()[None] - (pixel % width)[:, None]
    inside = (dy.abs() <= reach) & (dx.abs() <= reach)
    cells = (dy + reach).clamp(0, 2 * reach) * (2 * reach + 1) + (dx + reach).clamp(0, 2 * reach)
    alphas = opacity[:, None] * kernels.flatten(1).gather(1, cells) * inside
    weights = coverage_weights(alphas[order])
    total = torch.einsum("np,cn->cp", weights, colour[:, order])
    return (total / weights.sum(0)).view(3, height, width)


def table_kernels(coc_px: Float[Tensor, " n"], table: KernelTable) -> Float[Tensor, "n s s"]:
    """Each splat's kernel, padded to the largest, differentiable by the CoC."""
    reach = int(table.half.max())
    kernels = []
    for coc in coc_px:
        entry, fraction = table.entry(float(coc.detach()))
        half = int(table.half[entry])
        cells = slice(int(table.offset[entry]), int(table.offset[entry]) + (2 * half + 1) ** 2)
        steps = coc.abs() / STEP_PX
        moving = steps - steps.detach() + fraction
        flat = torch.from_numpy(table.base[cells]) + moving * torch.from_numpy(table.slope[cells])
        kernel = flat.view(2 * half + 1, 2 * half + 1)
        kernels.append(torch.nn.functional.pad(kernel, [reach - half] * 4))
    return torch.stack(kernels)


def gaussian_images(
    splats: ProjectedSplats, size: tuple[int, int], mode: Literal["coverage", "alpha"], normalise: bool
) -> Float[Tensor, "f 3 h w"]:
    """Twin of `gaussian_function.gaussian_images`."""
    height, width = size
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = torch.stack([columns.flatten(), rows.flatten()], 1).to(splats.position_px)
    square = torch.cdist(splats.position_px, pixels, compute_mode="donot_use_mm_for_euclid_dist").square()
    colour = splats.colour[splats.order]
    images = []
    for sigma, peak in zip(splats.sigma_px, splats.peak, strict=True):
        bell = torch.exp(-square / (2 * sigma[:, None].square()))
        weights = (alpha_weights if mode == "alpha" else window_weights)(bell[splats.order], peak[splats.order])
        image = torch.einsum("np,nc->cp", weights, colour)
        if normalise or mode == "coverage":
            image = image / weights.sum(0).clamp_min(SMALLEST_WEIGHT)
        images.append(image.view(3, height, width))
    return torch.stack(images)


def alpha_weights(bell: Float[Tensor, "n p"], peak: Float[Tensor, " n"]) -> Float[Tensor, "n p"]:
    """w = α·T of alpha compositing front to back, with gsplat's cap, cut and end of a pixel."""
    raw = peak[:, None] * bell
    alpha = torch.where(raw < float(ALPHA_MIN), torch.zeros_like(raw), raw.clamp(max=float(ALPHA_MAX)))
    open_after = (1 - alpha).cumprod(0)
    open_before = torch.cat([torch.ones_like(open_after[:1]), open_after[:-1]])
    return torch.where(open_after > float(OPEN_MIN), alpha * open_before, torch.zeros_like(alpha))


def window_weights(bell: Float[Tensor, "n p"], peak: Float[Tensor, " n"]) -> Float[Tensor, "n p"]:
    """w of coverage compositing front to back, with the window of `gaussian_kernels`."""
    return coverage_weights(peak[:, None] * ((bell - WINDOW_FLOOR) * WINDOW_SCALE).clamp_min(0))
