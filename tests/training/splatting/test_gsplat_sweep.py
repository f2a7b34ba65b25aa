"""The sweep that the photometric losses render on a GPU, with the torch twin in gsplat's place: no GPU needed."""

import pytest
import torch
from torch import Tensor

from defocus_depth.types import CameraIntrinsics
from defocus_training.splatting import gsplat_engine, torch_twin
from defocus_training.splatting.gsplat_sweep import LARGEST_COC_PX, gsplat_sweep
from defocus_training.splatting.pixel_splats import splat_sweep
from defocus_training.splatting.projected import ProjectedSplats


@pytest.fixture(autouse=True)
def twin(monkeypatch: pytest.MonkeyPatch) -> None:
    def render(splats: ProjectedSplats, camera: CameraIntrinsics, normalise: bool) -> Tensor:
        return torch_twin.gaussian_images(splats, (camera.height, camera.width), "alpha", normalise)

    monkeypatch.setattr(gsplat_engine, "render_alpha", render)


def scene(size: int = 24) -> tuple[Tensor, Tensor]:
    """A smooth background and a near square before it."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 6, 6, generator=generator)
    colour = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    inverse_depth = torch.full((1, 1, size, size), 2.0)
    inverse_depth[..., 8:16, 8:16] = 6.0
    colour[..., 8:16, 8:16] = 0.9
    return colour, inverse_depth


def test_pictures_are_near_those_of_the_accurate_engine() -> None:
    colour, inverse_depth = scene()
    coc = torch.stack([(7.0 - inverse_depth[:, 0]).abs(), (2.0 - inverse_depth[:, 0]).abs()], 1)
    found, inside = gsplat_sweep(colour, inverse_depth, coc)
    expected, _ = splat_sweep(colour, inverse_depth, coc)
    assert found.shape == expected.shape and inside.shape == coc.shape
    error = (found - expected)[inside[:, :, None].expand_as(found) > 0]
    assert float(error.square().mean().sqrt()) < 0.04


def test_blur_is_what_the_gradient_asks_for() -> None:
    """Descending on the difference to a picture with more blur makes the blur larger, with less smaller."""
    colour, inverse_depth = scene()
    for wanted, sign in ((6.0, 1), (1.5, -1)):
        target = gsplat_sweep(colour, inverse_depth, torch.full((1, 1, 24, 24), wanted))[0].detach()
        coc = torch.full((1, 1, 24, 24), 3.0, requires_grad=True)
        picture, inside = gsplat_sweep(colour, inverse_depth, coc)
        ((picture - target).square().mean(2) * inside).sum().backward()
        assert coc.grad is not None and -sign * float(coc.grad.sum()) > 0


def test_pixels_whose_blur_reaches_out_of_the_picture_do_not_count() -> None:
    colour, inverse_depth = scene()
    _, inside = gsplat_sweep(colour, inverse_depth, torch.full((1, 1, 24, 24), 6.0))
    assert inside[0, 0, 12, 12] == 1 and inside[0, 0, 2, 12] == 0 and inside[0, 0, 12, 3] == 1


def test_blur_beyond_the_largest_is_drawn_at_that_size_without_gradient() -> None:
    colour, inverse_depth = scene()
    wide = torch.full((1, 1, 24, 24), LARGEST_COC_PX + 4, requires_grad=True)
    picture, _ = gsplat_sweep(colour, inverse_depth, wide)
    same, _ = gsplat_sweep(colour, inverse_depth, torch.full_like(wide, LARGEST_COC_PX))
    torch.testing.assert_close(picture, same)
    picture.sum().backward()
    assert wide.grad is None or not wide.grad.any()
