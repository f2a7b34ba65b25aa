"""The photometric terms of the loss: predictions rendered by the splatting engine, against the captured frames."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ..data.photometric import PhotometricPair
from ..losses import edge_aware_smoothness, extra_blur, photometric_error
from ..networks import DefocusModel
from ..networks.model import upsample
from ..splatting.pixel_splats import splat_sweep

COVERED = 0.9
"""Share of a pixel's light that must come from inside the crop."""


def photometric_losses(model: DefocusModel, batch: PhotometricPair) -> dict[str, Float[Tensor, ""]]:
    """*blur* (SDNet), *reconstruction* (DepthNet) and smoothness, unweighted; no ground truth anywhere.

    blur: the composite, splatted with SDNet's CoC of each image, must give that image.
    reconstruction: splatted with DepthNet's depth from the first image, it must give every frame of the stack.
    """
    image = batch.pair.image.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    defocus, inverse = model.estimate_px(image, batch.pair.focus_px.reshape(-1, 1))
    coc = upsample(defocus.coc_px.float()).unflatten(0, (-1, 2))[:, :, 0]
    u_small = inverse.u_px.float().unflatten(0, (-1, 2))[:, 0]
    u = upsample(u_small)
    implied = batch.captured_focus_px[:, :, None, None] - u
    return {
        "blur": _explains(batch, u, coc, batch.captured[:, :2]),
        "reconstruction": _explains(batch, u, implied.abs(), batch.captured),
        "smoothness": edge_aware_smoothness(
            u_small / batch.pair.focus_px[:, :1, None, None].clamp_min(1.0), batch.sharp
        ),
    }


def _explains(
    batch: PhotometricPair,
    u_px: Float[Tensor, "b 1 h w"],
    coc_px: Float[Tensor, "b f h w"],
    captured: Float[Tensor, "b f 3 h w"],
) -> Float[Tensor, ""]:
    rendered, coverage = splat_sweep(batch.sharp, u_px.detach(), extra_blur(coc_px, batch.sharp_coc_px))
    return photometric_error(rendered, captured, (coverage > COVERED).float())
