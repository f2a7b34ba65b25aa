"""The photometric terms of the loss: predictions rendered by the splatting engine, against the captured frames."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ..data.photometric import PhotometricPair
from ..losses import edge_aware_smoothness, extra_blur, photometric_error
from ..networks import DefocusModel
from ..networks.model import upsample
from ..splatting.pixel_splats import splat_sweep
from ..splatting.plain_reblur import reblur_sweep
from .config import Renderer

Render = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
RENDERERS: dict[Renderer, Render] = {"splat": splat_sweep, "reblur": reblur_sweep}
COVERED = 0.9
"""Share of a pixel's light that must come from inside the crop."""


def photometric_losses(
    model: DefocusModel, batch: PhotometricPair, render: Render = splat_sweep
) -> dict[str, Float[Tensor, ""]]:
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
        "blur": _explains(render, batch, (u, coc), batch.captured[:, :2]),
        "reconstruction": _explains(render, batch, (u, implied.abs()), batch.captured),
        "smoothness": edge_aware_smoothness(
            u_small / batch.pair.focus_px[:, :1, None, None].clamp_min(1.0), batch.sharp
        ),
    }


def _explains(
    render: Render, batch: PhotometricPair, blur_px: tuple[Tensor, Tensor], captured: Float[Tensor, "b f 3 h w"]
) -> Float[Tensor, ""]:
    """Rendered on the CPU, where the occlusion-aware engine is, wherever the networks run."""
    u_px, coc_px = blur_px
    sharp, sharp_coc, seen = batch.sharp.cpu(), batch.sharp_coc_px.cpu(), captured.cpu()
    rendered, coverage = render(sharp, u_px.detach().cpu(), extra_blur(coc_px.cpu(), sharp_coc))
    return photometric_error(rendered, seen, (coverage > COVERED).float()).to(captured.device)
