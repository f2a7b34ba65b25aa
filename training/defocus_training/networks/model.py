"""Both networks as one model, and its outputs as users know them: metres, pixels, probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .depthnet import DepthNet, InverseDepth
from .features import STRIDE
from .looks import Measured, as_in_full_size, fuse, require_looks, smaller
from .sdnet import Defocus, SDNet
from .smoothing import log_colours, require_passes, smoothed

NEAR_EMPHASIS = 0.4
"""Exponent of u/φ in DepthNet's pixel weights (`LossWeights.near_emphasis`): training's share of the way to AbsRel."""
HIDDEN_LENS_PX = 20.0
"""φ and ν that DepthNet is told where it is told nothing of the lens."""
UNKNOWN_NEAREST_PX = 200.0
"""ν where nobody knows how near things can be: beyond all that blur can tell."""
RATIO = 1.25
"""δ1's ratio: confidence is the probability that depth is right within this factor."""


@dataclass(frozen=True)
class ModelOptions:
    """Channels of the U-Nets' levels at strides 4, 8, 16, 32, and how outputs are made of theirs.

    Raises:
        ConfigError: `looks` or `smoothing` are none that the model can take.
    """

    sdnet_widths: tuple[int, ...] = (32, 64, 128, 192)
    depthnet_widths: tuple[int, ...] = (24, 48, 80, 104)
    lens_conditioning: bool = True
    """False hides the focus from DepthNet (an ablation): it has to guess φ, and so depth, from the picture alone."""
    looks: tuple[float, ...] = (1.0,)
    """Sizes of the picture, over its own, in which the exported model looks at it; multiples of 1/8 in [½, 1]."""
    smoothing: tuple[int, ...] = ()
    """Distances (cells of 4 px) of the passes that average what was seen along surfaces; see `smoothed`."""
    scale_factor: float = 1.0
    """The published Laplace scale over the trained one; see `scale_calibration.py`."""
    median_factor: float = 1.0
    """The same for the scale that moves the published depth nearer (`relative_median`): errors have longer tails than
    Laplace's, and AbsRel is most of all the tail of depths that are far too large."""

    def __post_init__(self) -> None:
        require_looks(self.looks)
        require_passes(self.smoothing)


class ModelOutput(NamedTuple):
    """Maps of the image's size, (b, 1, h, w); the exported graph's outputs, in this order."""

    defocus: Float[Tensor, "b 1 h w"]
    depth: Float[Tensor, "b 1 h w"]
    coc: Float[Tensor, "b 1 h w"]
    inv_depth_scale: Float[Tensor, "b 1 h w"]
    confidence: Float[Tensor, "b 1 h w"]


class DefocusModel(nn.Module):
    """SDNet and DepthNet in a row."""

    def __init__(self, options: ModelOptions | None = None) -> None:
        super().__init__()
        options = self.options = options or ModelOptions()
        self.sdnet = SDNet(options.sdnet_widths)
        self.depthnet = DepthNet(options.depthnet_widths, options.sdnet_widths[0])
        self.hidden_lens_px = None if options.lens_conditioning else HIDDEN_LENS_PX

    def estimate_px(
        self, image: Float[Tensor, "b 3 h w"], lens_px: Float[Tensor, "b 2"]
    ) -> tuple[Defocus, InverseDepth]:
        """What the losses see: both networks' outputs of one look, at stride 4, in px; `lens_px` as in `DepthNet`."""
        defocus = self.sdnet(image)
        if self.hidden_lens_px is not None:
            lens_px = torch.full_like(lens_px, self.hidden_lens_px)
        return defocus, self.depthnet(defocus, lens_px)

    def measure_px(self, image: Float[Tensor, "b 3 h w"], lens_px: Float[Tensor, "b 2"]) -> tuple[Measured, Measured]:
        """What users see, before it is in metres: |CoC| and inverse depth u at stride 4, in px, smoothed."""
        full = (image.shape[-2] // STRIDE, image.shape[-1] // STRIDE)
        cocs, inverses = [], []
        for ratio in self.options.looks:
            defocus, inverse = self.estimate_px(smaller(image, ratio), ratio * lens_px)
            cocs.append(as_in_full_size(Measured(defocus.coc_px, defocus.scale_px), ratio, full))
            inverses.append(as_in_full_size(Measured(*inverse), ratio, full))
        coc, inverse = smoothed((fuse(cocs), fuse(inverses)), log_colours(image), self.options.smoothing)
        return coc, inverse

    def forward(self, image: Float[Tensor, "b 3 h w"], lens: Float[Tensor, "b 3"]) -> ModelOutput:
        """Maps of `image` (0..1, multiples of 32) seen through `lens` = (G px/dpt, F dpt, N dpt).

        N is 1/(nearest distance at which anything can be): F or less says that nothing is on the focus's near side.
        """
        gain, focus = lens[:, :1], lens[:, 1:2]
        coc, inverse = self.measure_px(image, gain * lens[:, 1:])
        gain_map, focus_map = gain.view(-1, 1, 1, 1), focus.view(-1, 1, 1, 1)
        location = upsample(inverse.location_px) / gain_map
        trained_scale = upsample(inverse.scale_px) / gain_map
        scale = self.options.scale_factor * trained_scale
        inverse_depth = relative_median(location, self.options.median_factor * trained_scale)
        return ModelOutput(
            upsample(coc.location_px),
            1.0 / inverse_depth,
            gain_map * (focus_map - inverse_depth),
            scale,
            within_ratio(inverse_depth, location, scale),
        )


def upsample(values: Float[Tensor, "b c h4 w4"]) -> Float[Tensor, "b c h w"]:
    """From stride 4 to the image's pixels."""
    return F.interpolate(values, scale_factor=float(STRIDE), mode="bilinear", align_corners=False)


def relative_median(location: Float[Tensor, "*n"], scale: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The inverse depth v̂ of least expected |d̂ − d|/d, for v = 1/d Laplace-distributed about `location`, v > 0.

    That is the median of v weighted by v^(1−α), where α is the weight that training has given already
    (`LossWeights.near_emphasis`): μ + (1−α)·b²/μ for b ≪ μ, which √(μ² + 2(1−α)·b²) continues to b ≫ μ.
    """
    return (location.square() + 2 * (1 - NEAR_EMPHASIS) * scale.square()).sqrt()


def within_ratio(
    inverse_depth: Float[Tensor, "*n"], location: Float[Tensor, "*n"], scale: Float[Tensor, "*n"]
) -> Float[Tensor, "*n"]:
    """P(max(d̂/d, d/d̂) < 1.25) of the estimate 1/d̂ where 1/d is Laplace-distributed about `location`, given 1/d > 0."""
    upper = _laplace_cdf((RATIO * inverse_depth - location) / scale)
    lower = _laplace_cdf((inverse_depth / RATIO - location) / scale)
    return (upper - lower) / (1 - _laplace_cdf(-location / scale))


def _laplace_cdf(z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    tail = 0.5 * torch.exp(-z.abs())
    return torch.where(z < 0, tail, 1 - tail)
