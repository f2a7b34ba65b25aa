"""Gaussian splats on the sensor after defocus: what every engine composites."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .scene import Blur, SceneGaussians


@dataclass(frozen=True)
class ProjectedSplats:
    """Round Gaussians of f pictures.

    Attributes:
        position_px: x and y, pixel centres at integers.
        sigma_px: standard deviation after blur.
        peak: weight at the centre, 0..1.
        colour: linear radiance.
        inverse_depth: larger is nearer.
        order: front to back.
    """

    position_px: Float[Tensor, "n 2"]
    sigma_px: Float[Tensor, "f n"]
    peak: Float[Tensor, "f n"]
    colour: Float[Tensor, "n 3"]
    inverse_depth: Float[Tensor, " n"]
    order: Int64[Tensor, " n"]


def project(scene: SceneGaussians, blur: Blur, kappa: float) -> ProjectedSplats:
    """The scene as each focus of `blur` shows it."""
    return spread(scene, scene.coc_px(blur), kappa)


def spread(scene: SceneGaussians, coc_px: Float[Tensor, "f n"], kappa: float) -> ProjectedSplats:
    """Blur adds (κ·coc)²·I to each covariance; the peak falls by s²/σ², which keeps the splat's energy."""
    assert scene.scale_px is not None
    variance = scene.scale_px.square()
    blurred = variance + (kappa * coc_px).square()
    return ProjectedSplats(
        scene.position_px,
        blurred.sqrt(),
        scene.opacity * variance / blurred,
        scene.colour,
        scene.inverse_depth,
        torch.argsort(scene.inverse_depth.detach(), descending=True, stable=True),
    )
