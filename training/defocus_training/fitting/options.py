"""How a stack is fitted: every default of the fit, once. Importing it loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tyro.conf import Suppress

FitEngine = Literal["auto", "cpu", "gsplat"]


@dataclass(frozen=True)
class EdgeOptions:
    """How the edges of depth and of the picture are brought together; lengths in px of the pictures."""

    contrast: float = 0.03
    """Difference of the square root of radiance that makes a picture edge."""
    weakest_link: float = 0.05
    """Share of the smoothness that is left across the strongest edge."""
    rim_px: int = 7
    """Width of the band on the near side of a depth edge whose depth is doubted (edges come out fattened)."""
    rim_trust: float = 0.1
    """Weight of a doubted pixel's own depth."""
    radius_px: int = 20
    """Half window of the weighted median that decides the doubted band."""
    likeness: float = 0.1
    """Difference of the square root of radiance that still counts as alike in that median."""


@dataclass(frozen=True)
class StartOptions:
    """How the starting depth is searched; lengths in px of the pictures."""

    step_px: float = 0.4
    """Spacing of the depth hypotheses, px of blur."""
    beyond_px: float = 3.0
    """How far beyond the nearest and farthest focus depths are sought, px of blur."""
    window_px: float = 2.5
    """Deviation of the window that pools residuals."""
    highest_cost: float = 60.0
    """Costs over a pixel's best are cut here: occlusions must not outvote the rest."""
    texture: float = 0.01
    """Gradient (of the square root of radiance) at which a pixel's own cost counts half."""
    step_cost: float = 4.0
    """Cost of a step by one hypothesis between neighbours."""
    edges: EdgeOptions = EdgeOptions()


@dataclass(frozen=True)
class Stage:
    """One pass of gradient descent."""

    stride: int
    """Grid of the depth correction, px."""
    steps: int
    """Adam steps."""
    depth_rate_px: float
    """First learning rate of depth, px of blur."""
    smoothness: float
    """Cost of a depth step of 1 px of blur between neighbours, in half squared deviations of a pixel."""


@dataclass(frozen=True)
class RefineOptions:
    """The passes after the start."""

    coarse: Stage = Stage(stride=8, steps=16, depth_rate_px=0.2, smoothness=4.0)
    fine: Stage = Stage(stride=4, steps=16, depth_rate_px=0.08, smoothness=8.0)
    colour_rate: float = 0.003
    """First learning rate of radiance."""
    focus_rate: float = 0.01
    """First learning rate of unknown foci, in spacings of the sweep, and of the logarithm of an unknown gain."""
    colour_steps: int = 5
    """Steps of the least-squares colours of a new depth."""
    edge_window_px: float = 4.0
    """Deviation of the window in which a proposal must be better."""
    edges: EdgeOptions = EdgeOptions(rim_px=5)


@dataclass(frozen=True)
class PhotometricOptions:
    """What the loss believes of pictures."""

    huber: float = 2.0
    """Residual, in deviations, from which on it counts linearly."""
    model_error: float = 0.01
    """Share of radiance by which even the true scene would be off."""
    least_coverage: float = 0.9
    """Pixels that get less of their light than this from inside the picture do not count."""


@dataclass(frozen=True)
class FitOptions:
    """How a stack is fitted."""

    engine: FitEngine = "auto"
    """Renderer. auto takes cpu, whose coverage compositing is the more accurate; gsplat needs CUDA, blurs by Gaussians
    and composites by alpha."""
    psf: Literal["disc", "gaussian", "polygon"] = "disc"
    """Blur shape; a Gaussian's width is the lens's psf_kappa."""
    psf_blades: int = 6
    """Corners of a polygonal blur."""
    working_width_px: int = 480
    """Wider frames are reduced by a whole factor until they are at most this wide (px)."""
    align: bool = True
    """Estimate exposure drift and focus breathing."""
    start: Suppress[StartOptions] = StartOptions()
    refine: Suppress[RefineOptions] = RefineOptions()
    photometric: Suppress[PhotometricOptions] = PhotometricOptions()
