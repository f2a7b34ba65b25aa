"""`splat_sweep` on a GPU: Gaussian splats composited by gsplat, for the photometric losses.

A Gaussian stands in for the disc, alpha compositing for coverage: less accurate than the CPU engine, but where the
networks are.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from defocus_depth.types import CameraIntrinsics

from . import gsplat_engine
from .projected import ProjectedSplats, spread
from .scene import SceneGaussians

KAPPA = 0.274
"""σ over CoC: what turns one disc's blur into a larger one's is fitted best by this, not by ¼."""
OPACITY = 0.3
"""Low, so that neighbours on one surface weigh nearly alike; what has accumulated is divided out."""
LARGEST_COC_PX = 12.5
"""Drawn at this size beyond it, without gradient: gsplat drops wider splats of this opacity (weights below 1/255)."""


def gsplat_sweep(
    colour: Float[Tensor, "b 3 h w"], inverse_depth: Float[Tensor, "b 1 h w"], coc_px: Float[Tensor, "b f h w"]
) -> tuple[Float[Tensor, "b f 3 h w"], Float[Tensor, "b f h w"]]:
    """Pictures of one splat per pixel at f focus settings; 1 where a pixel's blur lies inside the picture, else 0.

    Gradients reach `colour` and `coc_px`; `inverse_depth` only says what occludes what.

    Raises:
        BackendUnavailableError: gsplat is not installed.
    """
    pictures = [_picture(*scene) for scene in zip(colour, inverse_depth[:, 0], coc_px, strict=True)]
    return torch.stack(pictures), _inside(coc_px)


def _picture(
    colour: Float[Tensor, "3 h w"], inverse_depth: Float[Tensor, "h w"], coc_px: Float[Tensor, "f h w"]
) -> Float[Tensor, "f 3 h w"]:
    height, width = inverse_depth.shape
    camera = CameraIntrinsics(width, height, float(width), float(width), (width - 1) / 2, (height - 1) / 2)
    return gsplat_engine.render_alpha(splats_of(colour, inverse_depth, coc_px), camera, normalise=True)


def splats_of(
    colour: Float[Tensor, "3 h w"], inverse_depth: Float[Tensor, "h w"], coc_px: Float[Tensor, "f h w"]
) -> ProjectedSplats:
    """One Gaussian per pixel, blurred by `coc_px`."""
    scene = SceneGaussians.from_maps(colour, inverse_depth.detach(), stride=1)
    faint = replace(scene, opacity=OPACITY * scene.opacity)
    return spread(faint, coc_px.abs().clamp_max(LARGEST_COC_PX).flatten(1), KAPPA)


def _inside(coc_px: Float[Tensor, "b f h w"]) -> Float[Tensor, "b f h w"]:
    height, width = coc_px.shape[-2:]
    rows, columns = (torch.arange(size, device=coc_px.device) for size in (height, width))
    margin = torch.minimum(
        torch.minimum(rows, height - 1 - rows)[:, None], torch.minimum(columns, width - 1 - columns)[None]
    )
    return (coc_px.detach().abs() / 2 <= margin + 0.5).to(coc_px)
