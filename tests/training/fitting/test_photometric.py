"""The photometric loss: what counts as an error, colours in closed form, the CUDA engine's path."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from defocus_depth.types import CameraIntrinsics
from defocus_training.fitting import photometric as module
from defocus_training.fitting.options import PhotometricOptions
from defocus_training.fitting.photometric import Photometric, photometric, solve_colours
from defocus_training.fitting.views import Noise, Views
from defocus_training.splatting.psf import DiscPsf
from defocus_training.splatting.render import Blur, RenderOptions, SceneGaussians, render

SIZE = (24, 32)


def two_planes() -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth colours (3, H, W) and an inverse depth with one edge."""
    rng = np.random.default_rng(0)
    coarse = torch.from_numpy(rng.uniform(0.2, 0.8, (1, 3, 7, 9)).astype(np.float32))
    colour = torch.nn.functional.interpolate(coarse, size=SIZE, mode="bicubic", align_corners=True)[0].clamp(0, 1)
    depth = torch.full(SIZE, 0.8)
    depth[:, 20:] = 1.1
    return colour, depth


def loss_of(frames: np.ndarray, saturated: float = 1.0) -> Photometric:
    count = len(frames)
    views = Views(
        frames=frames.astype(np.float32),
        valid=np.ones((count, *SIZE), np.float32),
        gain_px_per_dpt=np.full(count, 8.0),
        focus_dpt=np.linspace(1.2, 0.7, count),
        saturated=np.full(count, saturated),
        noise=Noise(0.003, 0.4),
        metric=True,
    )
    return photometric(views, DiscPsf(), "cpu", PhotometricOptions())


def rendered_loss() -> tuple[Photometric, torch.Tensor, torch.Tensor]:
    """The loss whose frames are exact renderings of the two planes."""
    colour, depth = two_planes()
    pictures, _ = loss_of(np.zeros((3, *SIZE, 3))).pictures(colour, depth)
    return loss_of(pictures.movedim(1, -1).numpy()), colour, depth


def _render_on_cpu(scene: SceneGaussians, blur: Blur, camera: CameraIntrinsics, options: RenderOptions) -> torch.Tensor:
    return render(scene, blur, camera, replace(options, engine="cpu"))


def test_exact_renderings_leave_nothing() -> None:
    loss, colour, depth = rendered_loss()
    assert float(loss.misfit(*loss.pictures(colour, depth)).max()) < 1e-6


def test_small_residuals_count_half_their_square_and_large_ones_linearly() -> None:
    loss, colour, depth = rendered_loss()
    pictures, counted = loss.pictures(colour, depth)
    inside = counted[:, 0].min(0).values > 0
    small = loss.misfit(pictures + 0.1 * loss.deviation, counted)[inside]
    large = loss.misfit(pictures + 100 * loss.deviation, counted)[inside]
    np.testing.assert_allclose(small, 3 * 0.5 * 0.1**2, rtol=0.02)
    np.testing.assert_allclose(large, 3 * 2 * 100, rtol=0.03)


def test_more_light_than_a_saturated_pixel_shows_is_no_error() -> None:
    loss = loss_of(np.full((2, *SIZE, 3), 0.5), saturated=0.5)
    brighter, darker = torch.full((2, 3, *SIZE), 0.9), torch.full((2, 3, *SIZE), 0.3)
    assert float(loss.residual(brighter).abs().max()) == 0
    assert float(loss.residual(darker).max()) == pytest.approx(-0.2)


def test_colours_of_a_known_depth_are_found() -> None:
    loss, colour, depth = rendered_loss()
    start = torch.full_like(colour, 0.5)
    found = solve_colours(loss, start, depth, 30)
    inner = (slice(None), slice(4, -4), slice(4, -4))
    assert float((found - colour)[inner].abs().mean()) < 0.05 * float((start - colour)[inner].abs().mean())


def test_the_path_of_the_cuda_engine_gives_alike_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here with the CPU's alpha compositing in place of gsplat's."""
    monkeypatch.setattr(torch.Tensor, "cuda", lambda tensor: tensor)
    monkeypatch.setattr(module, "render", _render_on_cpu)
    loss, colour, depth = rendered_loss()
    pictures, counted = replace(loss, engine="gsplat").pictures(colour, depth)
    assert pictures.shape == loss.frames.shape and counted.shape == (3, 1, *SIZE)
    error = (pictures - loss.frames)[:, :, 4:-4, 4:-4]
    assert -10 * np.log10(float(error.square().mean())) > 27
