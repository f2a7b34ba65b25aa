"""One door to all engines: pictures of a scene at several focus distances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from defocus_depth.errors import BackendUnavailableError, ConfigError
from defocus_depth.types import CameraIntrinsics

from . import gaussian_function, gsplat_engine, torch_twin
from .kernel_table import kernel_table
from .pixel_splats import CoverageOptions, splat_sweep
from .projected import ProjectedSplats, project
from .psf import DiscPsf, GaussianPsf, Psf
from .scene import Blur, SceneGaussians

Engine = Literal["auto", "cpu", "gsplat", "torch"]
Mode = Literal["coverage", "alpha"]


@dataclass(frozen=True)
class RenderOptions:
    """How a scene becomes pictures.

    Attributes:
        engine: `cpu` (compiled), `gsplat` (CUDA), `torch` (slow twin for tests); `auto`: gsplat for tensors on a GPU.
        mode: `coverage` (cpu and torch; the more accurate), or `alpha` (all engines).
        psf: blur shape; Gaussian splats (`scale_px` given) take a GaussianPsf only.
        normalise: divide alpha compositing by the accumulated alpha; coverage always does.
    """

    engine: Engine = "auto"
    mode: Mode = "coverage"
    psf: Psf = DiscPsf()
    normalise: bool = True


def render(
    scene: SceneGaussians, blur: Blur, camera: CameraIntrinsics, options: RenderOptions | None = None
) -> Float[Tensor, "f 3 h w"]:
    """Linear radiance of the scene at each focus of `blur`.

    Gradients reach colour, opacity and scale, and through the CoC inverse depth, gain and focus. They do not pass
    through the sorting by depth: a picture jumps where two splats change places, and that jump is not in the gradient.

    Raises:
        ConfigError: the engine cannot do this mode, PSF or kind of splat.
        BackendUnavailableError: `gsplat` without CUDA or without the package.
    """
    options = options or RenderOptions()
    engine = _engine(options.engine, scene.colour)
    if scene.scale_px is None:
        return _render_pixels(scene, blur, camera, options, engine)
    if not isinstance(options.psf, GaussianPsf):
        raise ConfigError(f"psf: expected a GaussianPsf for Gaussian splats, got {type(options.psf).__name__}")
    splats = project(scene, blur, options.psf.kappa)
    if engine == "gsplat":
        if options.mode != "alpha":
            raise ConfigError(f"mode: expected 'alpha' for engine 'gsplat', got {options.mode!r}")
        return gsplat_engine.render_alpha(splats, camera, options.normalise)
    if engine == "torch":
        return torch_twin.gaussian_images(splats, (camera.height, camera.width), options.mode, options.normalise)
    return gaussian_function.gaussian_images(splats, (camera.height, camera.width), options.mode, options.normalise)


def _engine(wanted: Engine, tensor: Tensor) -> Engine:
    if wanted == "auto":
        return "gsplat" if tensor.is_cuda else "cpu"
    if wanted == "gsplat" and not torch.cuda.is_available():
        raise BackendUnavailableError("engine gsplat: expected a CUDA device, found none; use engine cpu")
    return wanted


def _render_pixels(
    scene: SceneGaussians, blur: Blur, camera: CameraIntrinsics, options: RenderOptions, engine: Engine
) -> Tensor:
    height, width = camera.height, camera.width
    if options.mode != "coverage" or engine == "gsplat":
        raise ConfigError(
            "pixel-sized splats: expected mode 'coverage' and engine 'cpu' or 'torch', "
            f"got {options.mode!r} and {engine!r}; give the scene a scale_px for alpha"
        )
    if len(scene.colour) != height * width:
        raise ConfigError(f"pixel-sized splats: expected {height * width} of them, got {len(scene.colour)}")
    coc = scene.coc_px(blur)
    if engine == "torch":
        return _twin_pixels(scene, coc, (height, width), options.psf)
    maps = scene.colour.T.reshape(1, 3, height, width), scene.inverse_depth.view(1, 1, height, width)
    opacity = scene.opacity.view(1, 1, height, width)
    return splat_sweep(*maps, coc.view(1, -1, height, width), opacity, CoverageOptions(options.psf))[0][0]


def _twin_pixels(scene: SceneGaussians, coc: Float[Tensor, "f n"], size: tuple[int, int], psf: Psf) -> Tensor:
    """Without what hides behind rims: the twin shows the plain formula."""
    table = kernel_table(psf, float(2 ** math.ceil(math.log2(max(8.0, float(coc.detach().abs().max()))))))
    pixel = torch.arange(len(scene.colour))
    order = torch.argsort(scene.inverse_depth.detach(), descending=True, stable=True)
    fixed = pixel, order, size, table
    return torch.stack(
        [torch_twin.pixel_coverage_image(scene.colour.T, of_focus, scene.opacity, *fixed) for of_focus in coc]
    )


__all__ = ["Blur", "ProjectedSplats", "RenderOptions", "SceneGaussians", "render"]
