"""What JPEG compression leaves of pictures, in torch: block transform, quantisation and subsampled colour, no bits.

Source: ITU-T T.81, annexes A and K; quality as in libjpeg. Colour is halved in both directions, as OpenCV does.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

BLOCK = 8
# fmt: off
LUMINANCE_STEPS = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)
COLOUR_STEPS = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    *(99,) * 32,
)
# fmt: on
TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def jpeg(pictures: Float[Tensor, "n 3 h w"], quality: Int64[Tensor, " n"]) -> Float[Tensor, "n 3 h w"]:
    """Pictures in 0..1 after compression with each one's quality (1..100); h and w are multiples of 16."""
    to_ycc = torch.tensor(TO_YCC, device=pictures.device)
    ycc = torch.einsum("kc,nchw->nkhw", to_ycc, 255 * pictures)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2.0 * quality)
    luminance = _requantised(ycc[:, :1] - 128, _steps(LUMINANCE_STEPS, scale)) + 128
    colour = _requantised(F.avg_pool2d(ycc[:, 1:], 2), _steps(COLOUR_STEPS, scale))
    colour = F.interpolate(colour, scale_factor=2.0, mode="bilinear", align_corners=False)
    back = torch.einsum("ck,nkhw->nchw", torch.linalg.inv(to_ycc), torch.cat([luminance, colour], 1))
    return (back / 255).clamp(0, 1)


def _steps(base: tuple[int, ...], scale: Float[Tensor, " n"]) -> Float[Tensor, "n 8 8"]:
    table = torch.tensor(base, dtype=torch.float32, device=scale.device).view(BLOCK, BLOCK)
    return ((table * scale.view(-1, 1, 1) + 50) / 100).floor().clamp(1, 255)


def _requantised(planes: Float[Tensor, "n c h w"], steps: Float[Tensor, "n 8 8"]) -> Float[Tensor, "n c h w"]:
    """Every block of 8×8 transformed, rounded to multiples of the steps, and transformed back."""
    cosines = _cosines(planes.device)
    count, channels, height, width = planes.shape
    blocks = planes.view(count, channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    spectrum = torch.einsum("ui,ncyixj,vj->ncyuxv", cosines, blocks, cosines)
    step = steps.view(count, 1, 1, BLOCK, 1, BLOCK)
    rounded = (spectrum / step).round() * step
    return torch.einsum("ui,ncyuxv,vj->ncyixj", cosines, rounded, cosines).reshape(planes.shape)


def _cosines(device: torch.device) -> Float[Tensor, "8 8"]:
    """The orthonormal cosine transform: row u is the basis of frequency u."""
    at = torch.arange(BLOCK, device=device)
    basis = torch.cos(math.pi * at[:, None] * (2 * at + 1) / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    basis[0] /= math.sqrt(2)
    return basis
