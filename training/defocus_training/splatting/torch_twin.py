"""The renderers' formulas once more in plain torch, every splat against every pixel: slow, short, with autograd.

Tests compare the fast engines with these; memory grows with (number of splats) × (number of pixels).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from .kernel_table import STEP_PX, KernelTable


def coverage_weights(alphas: Float[Tensor, "n p"], capacity: float) -> Float[Tensor, "n p"]:
    """w = min(α, what is left of the capacity), for alphas ordered front to back."""
    filled = alphas.cumsum(0).clamp(max=capacity)
    return torch.diff(filled, dim=0, prepend=torch.zeros_like(filled[:1]))


def pixel_coverage_image(
    colour: Float[Tensor, "3 h w"],
    inverse_depth: Float[Tensor, "h w"],
    coc_px: Float[Tensor, "h w"],
    opacity: Float[Tensor, "h w"],
    table: KernelTable,
    capacity: float = 1.0,
) -> Float[Tensor, "3 h w"]:
    """Twin of `pixel_splats.splat_sweep` for one picture."""
    height, width = coc_px.shape
    kernels = table_kernels(coc_px.flatten(), table)
    reach = kernels.shape[-1] // 2
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    dy, dx = ((axis.flatten()[None] - axis.flatten()[:, None]) for axis in (rows, columns))
    inside = (dy.abs() <= reach) & (dx.abs() <= reach)
    cells = (dy + reach).clamp(0, 2 * reach) * (2 * reach + 1) + (dx + reach).clamp(0, 2 * reach)
    alphas = opacity.flatten()[:, None] * kernels.flatten(1).gather(1, cells) * inside
    order = torch.argsort(inverse_depth.flatten(), descending=True, stable=True)
    weights = coverage_weights(alphas[order], capacity)
    total = torch.einsum("np,cn->cp", weights, colour.flatten(1)[:, order])
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
