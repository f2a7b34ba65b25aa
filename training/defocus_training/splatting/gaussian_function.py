"""Gaussian splats on the CPU as a differentiable torch function, one picture per thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .gaussian_kernels import alpha_backward, alpha_forward, coverage_backward, coverage_forward
from .pixel_kernels import NEVER
from .projected import ProjectedSplats
from .threads import run_all

SMALLEST_WEIGHT = 1e-8  # accumulated weight below which a pixel counts as empty


def gaussian_images(
    splats: ProjectedSplats, size: tuple[int, int], mode: Literal["coverage", "alpha"], normalise: bool
) -> Float[Tensor, "f 3 h w"]:
    """Pictures of `size` (height, width); gradients by colour, σ and peak."""
    fixed = _Fixed(
        x=splats.position_px[:, 0].float().contiguous().numpy(),
        y=splats.position_px[:, 1].float().contiguous().numpy(),
        order=splats.order.numpy(),
        size=size,
        alpha=mode == "alpha",
        normalise=normalise or mode == "coverage",
    )
    return _Gaussians.apply(splats.colour, splats.sigma_px, splats.peak, fixed)  # type: ignore[return-value]


@dataclass(frozen=True)
class _Fixed:
    x: np.ndarray
    y: np.ndarray
    order: np.ndarray
    size: tuple[int, int]
    alpha: bool
    normalise: bool


class _Gaussians(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, colour: Tensor, sigma: Tensor, peak: Tensor, fixed: _Fixed):
        arrays = [tensor.detach().float().contiguous().numpy() for tensor in (colour, sigma, peak)]
        totals = np.zeros((len(sigma), *fixed.size, 4), np.float32)
        ended = np.full((len(sigma), *fixed.size), NEVER, np.int32)
        share = np.full(ended.shape, 1 if fixed.alpha else 0, np.float32)  # of T, or of the closing splat

        def composite(f: int) -> None:
            splats = _picture(fixed, arrays, f)
            if fixed.alpha:
                alpha_forward(fixed.order, splats, totals[f], share[f], ended[f])
            else:
                coverage_forward(fixed.order, splats, totals[f], ended[f], share[f])

        run_all(composite, [(f,) for f in range(len(sigma))])
        ctx.kept = arrays, fixed, totals, ended, share
        divisor = np.maximum(totals[..., 3:], SMALLEST_WEIGHT) if fixed.normalise else np.float32(1)
        return torch.from_numpy(totals[..., :3] / divisor).movedim(-1, 1)

    @staticmethod
    def backward(ctx: Any, by_image: Tensor):  # type: ignore[override]
        arrays, fixed, totals, ended, share = ctx.kept
        foci, count = arrays[1].shape
        by_colour = np.zeros((foci, count, 3), np.float32)
        by_sigma, by_peak = np.zeros_like(arrays[1]), np.zeros_like(arrays[2])
        towards = by_image.detach().float().movedim(1, -1).numpy()

        def gather(f: int) -> None:
            splats, gradients = _picture(fixed, arrays, f), (by_colour[f], by_sigma[f], by_peak[f])
            if fixed.alpha:
                pulls, all_of_it = _alpha_pulls(towards[f], totals[f], fixed.normalise)
                state = np.stack([np.ones_like(all_of_it), all_of_it], -1)
                alpha_backward(fixed.order, splats, pulls, ended[f], state, gradients)
            else:
                pulls = _coverage_pulls(towards[f], totals[f], ended[f], arrays[0][fixed.order])
                coverage_backward(_places(fixed.order), splats, pulls, (ended[f], share[f]), gradients)

        run_all(gather, [(f,) for f in range(foci)])
        return torch.from_numpy(by_colour.sum(0)), torch.from_numpy(by_sigma), torch.from_numpy(by_peak), None


def _picture(fixed: _Fixed, arrays: list[np.ndarray], f: int) -> tuple[np.ndarray, ...]:
    colour, sigma, peak = arrays
    return fixed.x, fixed.y, sigma[f], peak[f], colour


def _alpha_pulls(by_image: np.ndarray, totals: np.ndarray, normalise: bool) -> tuple[np.ndarray, np.ndarray]:
    """G and H per pixel (H, W, 4), and Σ w·q of all splats (H, W)."""
    if not normalise:
        pulls = np.concatenate([by_image, np.zeros_like(by_image[..., :1])], -1)
    else:
        scaled = by_image / np.maximum(totals[..., 3:], SMALLEST_WEIGHT)
        image = totals[..., :3] / np.maximum(totals[..., 3:], SMALLEST_WEIGHT)
        pulls = np.concatenate([scaled, (scaled * image).sum(-1, keepdims=True)], -1)
    of_all = (pulls[..., :3] * totals[..., :3]).sum(-1) - pulls[..., 3] * totals[..., 3]
    return np.ascontiguousarray(pulls, np.float32), of_all.astype(np.float32)


def _coverage_pulls(
    by_image: np.ndarray, totals: np.ndarray, closed_by: np.ndarray, ordered_colours: np.ndarray
) -> np.ndarray:
    """g/Σw per channel and g·ref/Σw, where ref is the closing splat's colour, or the image (H, W, 4)."""
    scaled = by_image / np.maximum(totals[..., 3:], SMALLEST_WEIGHT)
    image = totals[..., :3] / np.maximum(totals[..., 3:], SMALLEST_WEIGHT)
    closed = closed_by != NEVER
    reference = np.where(closed[..., None], ordered_colours[np.where(closed, closed_by, 0)], image)
    return np.concatenate([scaled, (scaled * reference).sum(-1, keepdims=True)], -1).astype(np.float32)


def _places(order: np.ndarray) -> np.ndarray:
    places = np.empty(len(order), np.int32)
    places[order] = np.arange(len(order), dtype=np.int32)
    return places
