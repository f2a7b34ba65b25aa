"""Alpha compositing on CUDA through gsplat's low-level calls (gsplat 1.5).

The splats are already on the sensor, round and blurred, so gsplat's projection is left out: positions, inverse
covariances, peaks and radii are handed to its tile intersection and rasteriser directly. That also spares its frustum
culling, which would use the radius before blurring.

gsplat drops weights below 1/255. A splat of σ0 = 0.4 px that is blurred to σ = 6.4 px has a peak below that and
vanishes: for larger blur build the scene with a stride (`SceneGaussians.from_maps`).
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from defocus_depth.errors import BackendUnavailableError
from defocus_depth.types import CameraIntrinsics

from .projected import ProjectedSplats

TILE_PX = 16
RADIUS_SIGMAS = 3.33  # exp(−3.33²/2) = 1/255, gsplat's smallest alpha
PIXEL_CENTRE = 0.5  # gsplat's pixel (0, 0) has its centre at (0.5, 0.5)
SMALLEST_ALPHA = 1e-8


def render_alpha(splats: ProjectedSplats, camera: CameraIntrinsics, normalise: bool) -> Float[Tensor, "f 3 h w"]:
    """Pictures on the splats' device; gradients by colour, σ and peak. Computed in float32, as gsplat does.

    Raises:
        BackendUnavailableError: gsplat is not installed, or has not been compiled.
    """
    gsplat = _gsplat()
    foci, count = splats.sigma_px.shape
    sigma = splats.sigma_px.float()
    tiles = -(-camera.width // TILE_PX), -(-camera.height // TILE_PX)
    means = (splats.position_px.float() + PIXEL_CENTRE).expand(foci, count, 2).contiguous()
    with torch.no_grad():
        depths = _ranks(splats).expand(foci, count).contiguous()
        _, intersections, flat = gsplat.isect_tiles(means, _radii(sigma), depths, TILE_PX, *tiles)
        offsets = gsplat.isect_offset_encode(intersections, foci, *tiles)
    colours, alphas = gsplat.rasterize_to_pixels(
        means,
        _conics(sigma),
        splats.colour.float().expand(foci, count, 3).contiguous(),
        splats.peak.float().contiguous(),
        camera.width,
        camera.height,
        TILE_PX,
        offsets,
        flat,
    )
    image = colours / alphas.clamp_min(SMALLEST_ALPHA) if normalise else colours
    return image.movedim(-1, 1)


def _gsplat() -> Any:
    try:
        gsplat = importlib.import_module("gsplat")
        kernels = importlib.import_module("gsplat.cuda._backend")._C  # compiles them where that was not done yet
    except ImportError as error:
        raise BackendUnavailableError("engine gsplat: expected the package gsplat (pip install gsplat)") from error
    if kernels is None:
        raise BackendUnavailableError("engine gsplat: expected its compiled kernels, or nvcc to compile them with")
    return gsplat


def _ranks(splats: ProjectedSplats) -> Float[Tensor, " n"]:
    """Place in the order as gsplat's depth: sorts ties as the other engines do, and takes any inverse depth."""
    ranks = torch.empty_like(splats.inverse_depth, dtype=torch.float32)
    ranks[splats.order] = torch.arange(1, len(ranks) + 1, device=ranks.device, dtype=torch.float32)
    return ranks


def _radii(sigma_px: Float[Tensor, "f n"]) -> Int32[Tensor, "f n 2"]:
    radius = torch.ceil(RADIUS_SIGMAS * sigma_px).to(torch.int32)
    return radius[..., None].expand(*radius.shape, 2).contiguous()


def _conics(sigma_px: Float[Tensor, "f n"]) -> Float[Tensor, "f n 3"]:
    """Upper triangle of the inverse covariance I/σ²."""
    inverse = sigma_px.square().reciprocal()
    return torch.stack([inverse, torch.zeros_like(inverse), inverse], -1)
