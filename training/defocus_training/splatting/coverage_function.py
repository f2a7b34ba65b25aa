"""The coverage renderer as a differentiable torch function: compiled loops over pictures, on several threads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .kernel_table import kernel_table
from .pixel_kernels import CHANNELS, NEVER, SMALLEST, gather_gradients, pull_pixels, splat_rows
from .psf import Psf
from .threads import run_all

MAX_COC_PX = 128.0
_SMALLEST_TABLE_PX = 8.0


def coverage_image(
    colour: Float[Tensor, "b 3 n"],
    coc_px: Float[Tensor, "b f n"],
    opacity: Float[Tensor, "b n"],
    pixel: Int64[Tensor, "b n"],
    order: Int64[Tensor, "b n"],
    size: tuple[int, int],
    psf: Psf,
) -> tuple[Float[Tensor, "b f 3 h w"], Float[Tensor, "b f h w"]]:
    """Image and coverage of splats that sit on pixels, `order` front to back; gradients by colour, CoC and opacity."""
    image, coverage = _Coverage.apply(colour, coc_px, opacity, (pixel, order, size, psf))  # type: ignore[misc]
    return image, coverage


class _Coverage(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, colour: Tensor, coc: Tensor, opacity: Tensor, fixed: tuple[Tensor, Tensor, tuple, Psf]):
        pixel, order, (height, width), psf = fixed
        batch, foci = coc.shape[:2]
        pictures = _Pictures(_Splats.of(pixel, colour, coc, opacity), order.numpy(), _table_for(coc, psf))
        totals = np.zeros((batch, foci, height, width, CHANNELS + 1), np.float32)
        closed_by = np.full((batch, foci, height, width), NEVER, np.int32)
        closing_weight = np.zeros((batch, foci, height, width), np.float32)

        def splat(b: int, f: int, rows: tuple[int, int]) -> None:
            filled = totals[b, f], closed_by[b, f], closing_weight[b, f]
            splat_rows(pictures.table, pictures.order[b], pictures.splats.of_picture(b, f), rows, *filled)

        run_all(splat, [(b, f, rows) for b, f in np.ndindex(batch, foci) for rows in _parts(height, batch * foci)])
        ctx.kept = pictures, totals, closed_by, closing_weight
        coverage = torch.from_numpy(totals[..., CHANNELS])
        image = torch.from_numpy(totals[..., :CHANNELS]) / coverage.clamp_min(float(SMALLEST))[..., None]
        ctx.mark_non_differentiable(coverage)
        return image.movedim(-1, 2), coverage

    @staticmethod
    def backward(ctx: Any, by_image: Tensor, _by_coverage: Tensor):  # type: ignore[override]
        pictures, totals, closed_by, closing_weight = ctx.kept
        splats, order, table = pictures.splats, pictures.order, pictures.table
        batch, foci, count = splats.coc.shape
        pulls, places = np.empty_like(totals), _inverse_permutation(order)
        gradients = np.zeros_like(splats.colour), np.zeros_like(splats.coc), np.zeros_like(splats.opacity)
        towards = by_image.detach().float().contiguous().numpy()

        def pull(b: int, f: int) -> None:
            pull_pixels(towards[b, f], totals[b, f], closed_by[b, f], order[b], splats.colour[b], pulls[b, f])

        def gather(b: int, which: tuple[int, int]) -> None:
            for f in range(foci):
                closing = closed_by[b, f], closing_weight[b, f]
                into = gradients[0][b], gradients[1][b, f], gradients[2][b]
                gather_gradients(table, places[b], splats.of_picture(b, f), which, pulls[b, f], closing, into)

        run_all(pull, list(np.ndindex(batch, foci)))
        run_all(gather, [(b, which) for b in range(batch) for which in _parts(count, batch)])
        by_colour, by_coc, by_opacity = map(torch.from_numpy, gradients)
        return by_colour.transpose(1, 2), by_coc, by_opacity, None


@dataclass(frozen=True)
class _Splats:
    """The splats' numbers as contiguous arrays: pixel (B, N), colour (B, N, 3), CoC (B, F, N), opacity (B, N)."""

    pixel: np.ndarray
    colour: np.ndarray
    coc: np.ndarray
    opacity: np.ndarray

    @staticmethod
    def of(pixel: Tensor, colour: Tensor, coc: Tensor, opacity: Tensor) -> _Splats:
        values = colour.transpose(1, 2), coc, opacity
        return _Splats(pixel.contiguous().numpy(), *(value.detach().float().contiguous().numpy() for value in values))

    def of_picture(self, b: int, f: int) -> tuple[np.ndarray, ...]:
        return self.pixel[b], self.colour[b], self.coc[b, f], self.opacity[b]


@dataclass(frozen=True)
class _Pictures:
    splats: _Splats
    order: np.ndarray
    table: tuple[Any, ...]


def _inverse_permutation(order: np.ndarray) -> np.ndarray:
    places = np.empty_like(order, dtype=np.int32)
    np.put_along_axis(places, order, np.arange(order.shape[1], dtype=np.int32)[None], 1)
    return places


def _table_for(coc: Tensor, psf: Psf) -> tuple[Any, ...]:
    largest = min(float(coc.detach().abs().max()), MAX_COC_PX)
    return kernel_table(psf, max(_SMALLEST_TABLE_PX, 2.0 ** math.ceil(math.log2(max(largest, 1.0))))).arrays()


def _parts(length: int, pictures: int) -> list[tuple[int, int]]:
    """Cuts a picture's rows or splats where there are fewer pictures than threads (each cut costs a walk over all)."""
    count = math.ceil(torch.get_num_threads() / pictures)
    edges = [length * part // count for part in range(count + 1)]
    return list(zip(edges[:-1], edges[1:], strict=True))
