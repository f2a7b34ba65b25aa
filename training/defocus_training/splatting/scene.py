"""The scene as one camera sees it: Gaussians at fixed pixels with what is to be learned about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from defocus_depth.errors import ConfigError
from defocus_depth.optics import coc_from_inverse_depth

SCALE_PER_STRIDE = 0.4  # a Gaussian of σ = 0.4 spacings stands for its cell: FACTS' σ0, peak 1/(2π·0.4²) ≈ 1


class Blur(NamedTuple):
    """Blur of f pictures of one scene: gain (px/dpt) and focus (dpt) of each."""

    gain_px_per_dpt: Float[Tensor, " f"]
    focus_dpt: Float[Tensor, " f"]


@dataclass(frozen=True)
class SceneGaussians:
    """Gaussians seen from one camera; all tensors may require gradients but `position_px`.

    Attributes:
        position_px: x and y, pixel centres at integers.
        inverse_depth: 1/z in dpt along the optical axis; larger is nearer. Any growing number where metres are unknown.
        colour: linear radiance.
        opacity: 0..1, the share of what is behind that a sharp splat hides at its centre.
        scale_px: standard deviation of the sharp splat on the sensor. None: every splat is exactly one pixel, and
            the splats are all pixels of the picture row by row; this is what the fast path renders.
    """

    position_px: Float[Tensor, "n 2"]
    inverse_depth: Float[Tensor, " n"]
    colour: Float[Tensor, "n 3"]
    opacity: Float[Tensor, " n"]
    scale_px: Float[Tensor, " n"] | None = None

    def coc_px(self, blur: Blur) -> Float[Tensor, "f n"]:
        """Signed CoC of every splat in every picture: the way by which gradients reach depth, gain and focus."""
        return coc_from_inverse_depth(self.inverse_depth, blur.gain_px_per_dpt[:, None], blur.focus_dpt[:, None])

    @staticmethod
    def from_maps(
        colour: Float[Tensor, "3 h w"], inverse_depth: Float[Tensor, "h w"], stride: int | None = None
    ) -> SceneGaussians:
        """One splat per pixel, or with `stride` one Gaussian per cell of stride x stride pixels (their mean).

        Raises:
            ConfigError: `stride` does not divide the picture's size.
        """
        height, width = inverse_depth.shape
        if stride is not None and (stride < 1 or height % stride or width % stride):
            raise ConfigError(f"stride: expected a divisor of {width}x{height}, got {stride}")
        step = stride or 1
        cells = [functional.avg_pool2d(values[None], step)[0] for values in (colour, inverse_depth[None])]
        rows, columns = (
            torch.arange(size // step, device=colour.device) * step + (step - 1) / 2 for size in (height, width)
        )
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        count = x.numel()
        return SceneGaussians(
            position_px=torch.stack([x.flatten(), y.flatten()], 1).to(colour),
            inverse_depth=cells[1].flatten(),
            colour=cells[0].flatten(1).T,
            opacity=colour.new_ones(count),
            scale_px=None if stride is None else colour.new_full((count,), SCALE_PER_STRIDE * step),
        )
