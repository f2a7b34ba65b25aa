"""The paper's *blur* and *reconstruction* losses: predictions must explain the stack's own frames.

Both compare a defocused rendering with captured frames in linear light; nothing else is known of the scene. Pixels are
compared by |Î − I| over their local contrast, so that dim and faint textures teach as much as bright ones.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

CONTRAST_FLOOR = 0.02
CONTRAST_WINDOW_PX = 15


def photometric_error(
    rendered: Float[Tensor, "b f 3 h w"], captured: Float[Tensor, "b f 3 h w"], covered: Float[Tensor, "b f h w"]
) -> Float[Tensor, ""]:
    """Mean of |Î − I| / (local contrast of I + floor) over pixels whose blur lies inside the picture (`covered`)."""
    frames = captured.flatten(0, 1)
    mean = _local_mean(frames)
    contrast = _local_mean((frames - mean).abs()).mean(1, keepdim=True) + CONTRAST_FLOOR
    error = (rendered.flatten(0, 1) - frames).abs().mean(1, keepdim=True) / contrast
    weight = covered.flatten(0, 1)[:, None]
    return (weight * error).sum() / weight.sum().clamp_min(1.0)


def extra_blur(wanted_px: Float[Tensor, "*n"], present_px: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """CoC that takes a point from the blur it has to the blur it should have: √(c² − c₀²), variances add; 0 below c₀.

    The composite of a stack's sharpest frames is not perfectly sharp: its blur c₀ is known from the teacher's depth.
    """
    return (wanted_px.square() - present_px.square()).clamp_min(1e-4).sqrt()


def edge_aware_smoothness(values: Float[Tensor, "b 1 h w"], image: Float[Tensor, "b c h w"]) -> Float[Tensor, ""]:
    """Mean of |∂x v|·e^(−|∂x I|/σ) and the same along y (Godard et al. 2017), both at `values`' size; σ = 0.05."""
    image = F.interpolate(image, size=values.shape[-2:], mode="area")
    terms = []
    for axis in (-1, -2):
        edge = image.diff(dim=axis).abs().mean(1, keepdim=True)
        terms.append((values.diff(dim=axis).abs() * torch.exp(-edge / 0.05)).mean())
    return torch.stack(terms).sum()


def _local_mean(values: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    return F.avg_pool2d(values, CONTRAST_WINDOW_PX, 1, CONTRAST_WINDOW_PX // 2, count_include_pad=False)
