"""The photometric terms of the loss: predictions rendered by a splatting engine, against the captured frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ..data.photometric import PhotometricPair
from ..losses import edge_aware_smoothness, extra_blur, photometric_error
from ..networks import DefocusModel
from ..networks.model import upsample
from ..splatting.gsplat_sweep import gsplat_sweep
from ..splatting.pixel_splats import splat_sweep
from ..splatting.plain_reblur import reblur_sweep
from .config import Renderer, TrainConfig

COVERED = 0.9
"""Share of a pixel's light that must come from inside the crop."""


@dataclass(frozen=True)
class RenderChoice:
    """How predictions are rendered.

    Attributes:
        sweep: pictures and coverage from colour, inverse depth and |CoC|.
        on_cpu: the engine is there only, wherever the networks run.
        reduction: pictures are made smaller by this factor first.
    """

    sweep: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
    on_cpu: bool = False
    reduction: int = 1


RENDERERS: dict[Renderer, RenderChoice] = {
    "splat": RenderChoice(splat_sweep, on_cpu=True),
    "gsplat": RenderChoice(gsplat_sweep, reduction=2),
    "reblur": RenderChoice(reblur_sweep),
}


def chosen_renderer(config: TrainConfig, device: torch.device) -> Renderer:
    """The renderer of this run; `auto` takes gsplat on CUDA where it is installed."""
    wanted = config.photometric_renderer
    if wanted == "auto":
        return "gsplat" if device.type == "cuda" and find_spec("gsplat") else "splat"
    return wanted


def photometric_losses(
    model: DefocusModel, batch: PhotometricPair, renderer: Renderer = "splat"
) -> dict[str, Float[Tensor, ""]]:
    """*blur* (SDNet), *reconstruction* (DepthNet) and smoothness, unweighted; no ground truth anywhere.

    blur: the composite, splatted with SDNet's CoC of each image, must give that image.
    reconstruction: splatted with DepthNet's depth from the first image, it must give every frame of the stack.
    """
    image = batch.pair.image.flatten(0, 1).contiguous(memory_format=torch.channels_last)
    defocus, inverse = model.estimate_px(image, batch.pair.lens_px.flatten(0, 1))
    coc = upsample(defocus.coc_px.float()).unflatten(0, (-1, 2))[:, :, 0]
    u_small = inverse.u_px.float().unflatten(0, (-1, 2))[:, 0]
    u = upsample(u_small)
    implied = batch.captured_focus_px[:, :, None, None] - u
    choice = RENDERERS[renderer]
    return {
        "blur": _explains(choice, batch, (u, coc), batch.captured[:, :2]),
        "reconstruction": _explains(choice, batch, (u, implied.abs()), batch.captured),
        "smoothness": edge_aware_smoothness(
            u_small / batch.pair.focus_px[:, :1, None, None].clamp_min(1.0), batch.sharp
        ),
    }


def _explains(
    choice: RenderChoice,
    batch: PhotometricPair,
    blur_px: tuple[Tensor, Tensor],
    captured: Float[Tensor, "b f 3 h w"],
) -> Float[Tensor, ""]:
    device = torch.device("cpu") if choice.on_cpu else captured.device
    sharp, sharp_coc, u, coc, seen = (
        _reduced(values.to(device), choice.reduction)
        for values in (batch.sharp, batch.sharp_coc_px, blur_px[0].detach(), blur_px[1], captured)
    )
    blur = extra_blur(coc, sharp_coc) / choice.reduction
    rendered, coverage = choice.sweep(sharp, u, blur)
    return photometric_error(rendered, seen, (coverage > COVERED).float()).to(captured.device)


def _reduced(values: Float[Tensor, "*b h w"], factor: int) -> Float[Tensor, "*b hr wr"]:
    """Means of factor×factor pixels."""
    if factor == 1:
        return values
    return F.avg_pool2d(values.flatten(0, -3), factor).unflatten(0, values.shape[:-2])
