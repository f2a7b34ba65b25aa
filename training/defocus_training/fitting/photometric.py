"""What a scene of splats leaves unexplained of the captured frames, and the colours that explain them best."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from defocus_depth.errors import BackendUnavailableError
from defocus_depth.optics import coc_from_inverse_depth
from defocus_depth.types import CameraIntrinsics

from ..splatting.pixel_splats import CoverageOptions, splat_sweep
from ..splatting.psf import GaussianPsf, Psf
from ..splatting.render import RenderOptions, render
from ..splatting.scene import Blur, SceneGaussians
from .options import FitEngine, PhotometricOptions
from .views import DARKEST, FloatVector, Views

_LUMINANCE_NOISE = 0.75  # noise of a luminance over that of its channels, where that is white
_SATURATION = 0.98  # share of full scale that counts as saturated, after resampling
_MOMENTUM = 0.6


@dataclass(frozen=True)
class Photometric:
    """The captured frames as tensors, and how far a picture may be from them.

    Attributes:
        frames: (F, 3, H, W) linear radiance.
        valid: 1 where the frame sees the pixel, (F, 1, H, W).
        deviation: (F, 3, H, W): noise, and the share of radiance that the model is not trusted with.
        saturated: (F, 1, 1, 1): from here on a frame only says "at least".
        blur: gain and focus of each frame.
    """

    frames: Float[Tensor, "f 3 h w"]
    valid: Float[Tensor, "f 1 h w"]
    deviation: Float[Tensor, "f 3 h w"]
    saturated: Float[Tensor, "f 1 1 1"]
    blur: Blur
    psf: Psf
    engine: FitEngine
    options: PhotometricOptions

    def pictures(
        self, colour: Float[Tensor, "3 h w"], inverse_depth: Float[Tensor, "h w"], blur: Blur | None = None
    ) -> tuple[Tensor, Tensor]:
        """Rendered pictures (P, 3, H, W), and 1 where their light comes from inside the picture (P, 1, H, W).

        `blur`: gains and foci of the pictures, if not those of the captured frames.
        """
        blur = blur or self.blur
        if self.engine == "gsplat":
            return self._by_gsplat(colour, inverse_depth, blur)
        gain, focus = (values.view(1, -1, 1, 1) for values in blur)
        coc = coc_from_inverse_depth(inverse_depth, gain, focus)
        images, coverage = splat_sweep(colour[None], inverse_depth[None, None], coc, options=CoverageOptions(self.psf))
        return images[0], (coverage[0][:, None] > self.options.least_coverage).float()

    def residual(self, pictures: Float[Tensor, "f 3 h w"]) -> Float[Tensor, "f 3 h w"]:
        """Rendered minus captured radiance; what exceeds a saturated pixel is no error."""
        difference = pictures - self.frames
        return torch.where(self.frames < self.saturated, difference, difference.clamp(max=0))

    def misfit(self, pictures: Float[Tensor, "f 3 h w"], counted: Float[Tensor, "f 1 h w"]) -> Float[Tensor, "h w"]:
        """Pseudo-Huber loss of the residuals over their deviation, mean over channels, sum over frames."""
        huber = self.options.huber
        scaled = self.residual(pictures) / (self.deviation * huber)
        return (self.valid * counted * ((1 + scaled.square()).sqrt() - 1)).sum((0, 1)) * (huber**2 / 3)

    def _by_gsplat(self, colour: Tensor, inverse_depth: Tensor, blur: Blur) -> tuple[Tensor, Tensor]:
        height, width = inverse_depth.shape
        scene = SceneGaussians.from_maps(colour.cuda(), inverse_depth.cuda(), stride=1)
        on_device = Blur(*(values.cuda() for values in blur))
        camera = CameraIntrinsics(width, height, 1.0, 1.0, 0.0, 0.0)
        psf = GaussianPsf(self.psf.sigma_per_coc)
        images = render(scene, on_device, camera, RenderOptions("gsplat", "alpha", psf)).to(colour.device)
        return images, torch.ones_like(images[:, :1])


def photometric(views: Views, psf: Psf, engine: FitEngine, options: PhotometricOptions) -> Photometric:
    """Photometric loss of the views.

    Raises:
        BackendUnavailableError: gsplat asked for without CUDA.
    """
    if engine == "gsplat" and not torch.cuda.is_available():
        raise BackendUnavailableError("engine gsplat: expected a CUDA device, found none; use engine cpu")
    frames = torch.from_numpy(views.frames).movedim(-1, 1).contiguous()
    light = torch.nn.functional.avg_pool2d(frames, 5, 1, 2, count_include_pad=False)
    noise = torch.from_numpy(views.noise.where(light.numpy())) / _LUMINANCE_NOISE
    return Photometric(
        frames=frames,
        valid=torch.from_numpy(views.valid)[:, None],
        deviation=(noise**2 + (options.model_error * light.clamp_min(DARKEST)) ** 2).sqrt(),
        saturated=torch.from_numpy(_SATURATION * views.saturated).float().view(-1, 1, 1, 1),
        blur=blur_of(views.gain_px_per_dpt, views.focus_dpt),
        psf=psf,
        engine="cpu" if engine == "auto" else engine,
        options=options,
    )


def blur_of(gain_px_per_dpt: FloatVector, focus_dpt: FloatVector) -> Blur:
    """Gains and foci as the renderer takes them."""
    return Blur(torch.from_numpy(gain_px_per_dpt).float(), torch.from_numpy(focus_dpt).float())


def solve_colours(
    scene: Photometric, colour: Float[Tensor, "3 h w"], inverse_depth: Float[Tensor, "h w"], steps: int
) -> Float[Tensor, "3 h w"]:
    """Radiance of the splats that explains the frames best in least squares, for fixed depth.

    Pictures are linear in colour: simultaneous iterative reconstruction (Gilbert 1972), which divides each splat's
    summed residual by its summed weight, with momentum.
    """
    step, weight = torch.zeros_like(colour), None
    for _ in range(steps):
        ahead = (colour + _MOMENTUM * step).requires_grad_()
        pictures, counted = scene.pictures(ahead, inverse_depth)
        if weight is None:
            (weight,) = torch.autograd.grad((pictures * scene.valid * counted).sum(), ahead, retain_graph=True)
            weight = weight.clamp_min(0.5)
        loss = (0.5 * scene.valid * counted * scene.residual(pictures).square()).sum()
        (downhill,) = torch.autograd.grad(loss, ahead)
        step = _MOMENTUM * step - downhill / weight
        colour = (colour + step).clamp_min(0)
    return colour.detach()
