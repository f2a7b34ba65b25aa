"""Splats of one pixel each on the pixel grid: the fast path of the CPU engine, by coverage, with any tabulated PSF."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .kernel_table import kernel_table
from .pixel_kernels import CHANNELS, NEVER, SMALLEST, gather_gradients, pull_pixels, splat_rows
from .psf import DiscPsf, Psf
from .threads import run_all

MAX_COC_PX = 128.0
_SMALLEST_TABLE_PX = 8.0


@dataclass(frozen=True)
class CoverageOptions:
    """How pixel splats are composited.

    Attributes:
        psf: blur shape.
        capacity: total coverage a pixel takes before it closes, ≥ 1.
    """

    psf: Psf = DiscPsf()
    capacity: float = 1.0


DEFAULTS = CoverageOptions()


def splat_with_coc(
    colour: Float[Tensor, "b 3 h w"],
    inverse_depth: Float[Tensor, "b 1 h w"],
    coc_px: Float[Tensor, "b 1 h w"],
    options: CoverageOptions = DEFAULTS,
) -> Float[Tensor, "b 3 h w"]:
    """The defocused picture of a scene given as one splat per pixel, on the CPU.

    Gradients reach `colour` and `coc_px`. `inverse_depth` only says what occludes what (larger is nearer) and gets no
    gradient: an image has no derivative where two splats change places.

    Args:
        colour: linear radiance of the sharp picture.
        inverse_depth: in any unit that grows towards the camera.
        coc_px: signed CoC diameter; beyond ±MAX_COC_PX it is drawn at that size, without gradient.
    """
    return splat_sweep(colour, inverse_depth, coc_px, options=options)[0][:, 0]


def splat_sweep(
    colour: Float[Tensor, "b 3 h w"],
    inverse_depth: Float[Tensor, "b 1 h w"],
    coc_px: Float[Tensor, "b f h w"],
    opacity: Float[Tensor, "b 1 h w"] | None = None,
    options: CoverageOptions = DEFAULTS,
) -> tuple[Float[Tensor, "b f 3 h w"], Float[Tensor, "b f h w"]]:
    """`splat_with_coc` of f focus distances at once, with the coverage Σw of each pixel (no gradient).

    A coverage well below 1 marks pixels that would get light from outside the picture or from hidden surfaces.
    `opacity` (0..1, default 1) scales each splat's weight and gets a gradient.
    """
    if opacity is None:
        opacity = torch.ones_like(inverse_depth)
    order = torch.argsort(inverse_depth.detach().flatten(1), dim=1, descending=True, stable=True)
    image, coverage = _Coverage.apply(colour, coc_px, opacity, order, options)  # type: ignore[misc]
    return image, coverage


class _Coverage(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, colour: Tensor, coc: Tensor, opacity: Tensor, order: Tensor, options: CoverageOptions):
        batch, foci, height, width = coc.shape
        table = _table_for(coc, options.psf)
        splats, orders = _Splats.of(colour, coc, opacity), order.numpy()
        totals = np.zeros((batch, foci, height, width, CHANNELS + 1), np.float32)
        closed_by = np.full(coc.shape, NEVER, np.int32)
        closing_weight = np.zeros(coc.shape, np.float32)
        capacity = np.float32(options.capacity)

        def splat(b: int, f: int, rows: tuple[int, int]) -> None:
            filled = totals[b, f], closed_by[b, f], closing_weight[b, f]
            splat_rows(table, orders[b], splats.of_picture(b, f), rows, capacity, *filled)

        run_all(splat, [(b, f, rows) for b, f in _pictures(coc) for rows in _parts(height, batch * foci)])
        ctx.save_for_backward(colour, coc, opacity, order)
        ctx.forward = table, totals, closed_by, closing_weight
        coverage = torch.from_numpy(totals[..., CHANNELS])
        image = torch.from_numpy(totals[..., :CHANNELS]) / coverage.clamp_min(float(SMALLEST))[..., None]
        ctx.mark_non_differentiable(coverage)
        return image.movedim(-1, 2), coverage

    @staticmethod
    def backward(ctx: Any, by_image: Tensor, _by_coverage: Tensor):  # type: ignore[override]
        colour, coc, opacity, order = ctx.saved_tensors
        table, totals, closed_by, closing_weight = ctx.forward
        batch, foci, height, width = coc.shape
        splats, orders, places = _Splats.of(colour, coc, opacity), order.numpy(), _inverse_permutation(order).numpy()
        by_image_array = by_image.detach().float().contiguous().numpy()
        pulls = np.empty_like(totals)
        by_colour = np.zeros_like(splats.colour)
        by_coc = np.zeros_like(splats.coc)
        by_opacity = np.zeros_like(splats.opacity)

        def pull(b: int, f: int) -> None:
            pull_pixels(by_image_array[b, f], totals[b, f], closed_by[b, f], orders[b], splats.colour[b], pulls[b, f])

        def gather(b: int, which: tuple[int, int]) -> None:
            for f in range(foci):
                closing, gradients = (
                    (closed_by[b, f], closing_weight[b, f]),
                    (by_colour[b], by_coc[b, f], by_opacity[b]),
                )
                gather_gradients(table, places[b], splats.of_picture(b, f), which, pulls[b, f], closing, gradients)

        run_all(pull, _pictures(coc))
        run_all(gather, [(b, which) for b in range(batch) for which in _parts(height * width, batch)])
        colour_gradient = torch.from_numpy(by_colour).view(batch, height, width, CHANNELS).movedim(-1, 1)
        rest = torch.from_numpy(by_coc).view_as(coc), torch.from_numpy(by_opacity).view_as(opacity)
        return colour_gradient, *rest, None, None


@dataclass(frozen=True)
class _Splats:
    """The splats' numbers as contiguous arrays: colour (B, N, 3), CoC (B, F, N), opacity (B, N)."""

    colour: np.ndarray
    coc: np.ndarray
    opacity: np.ndarray

    @staticmethod
    def of(colour: Tensor, coc: Tensor, opacity: Tensor) -> _Splats:
        return _Splats(
            colour.detach().flatten(2).transpose(1, 2).contiguous().float().numpy(),
            coc.detach().flatten(2).contiguous().float().numpy(),
            opacity.detach().flatten(1).contiguous().float().numpy(),
        )

    def of_picture(self, b: int, f: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.colour[b], self.coc[b, f], self.opacity[b]


def _pictures(coc: Tensor) -> list[tuple[int, int]]:
    return [(b, f) for b in range(coc.shape[0]) for f in range(coc.shape[1])]


def _inverse_permutation(order: Tensor) -> Tensor:
    places = torch.empty_like(order, dtype=torch.int32)
    return places.scatter_(1, order, torch.arange(order.shape[1], dtype=torch.int32).expand_as(places))


def _table_for(coc: Tensor, psf: Psf) -> tuple[Any, ...]:
    largest = min(float(coc.detach().abs().max()), MAX_COC_PX)
    return kernel_table(psf, max(_SMALLEST_TABLE_PX, 2.0 ** math.ceil(math.log2(max(largest, 1.0))))).arrays()


def _parts(length: int, pictures: int) -> list[tuple[int, int]]:
    """Cuts a picture's rows or splats where there are fewer pictures than threads (each cut costs a walk over all)."""
    count = math.ceil(torch.get_num_threads() / pictures)
    edges = [length * part // count for part in range(count + 1)]
    return list(zip(edges[:-1], edges[1:], strict=True))
