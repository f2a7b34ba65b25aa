"""Plain re-blur: right on a plane, wrong where something occludes, differentiable."""

import torch

from defocus_training.splatting.pixel_splats import splat_sweep
from defocus_training.splatting.plain_reblur import LEVELS_PX, reblur_sweep

COLOUR = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
FLAT = torch.ones(1, 1, 48, 48)
INNER = slice(12, -12)


def test_equals_splatting_on_a_plane() -> None:
    coc = torch.tensor([3.0, 6.0, 8.0])[None, :, None, None].expand(1, 3, 48, 48)
    plain, _ = reblur_sweep(COLOUR, FLAT, coc)
    splatted, _ = splat_sweep(COLOUR, FLAT, coc)
    difference = (plain - splatted)[..., INNER, INNER]
    assert difference.square().mean().sqrt() < 0.01
    assert (COLOUR[:, None] - splatted)[..., INNER, INNER].square().mean().sqrt() > 0.1


def test_differs_where_a_sharp_object_stands_before_a_blurred_wall() -> None:
    nearer = FLAT.clone()
    nearer[..., 24:] = 2.0
    coc = torch.where(nearer > 1.5, 8.0, 0.0)
    colour = (nearer > 1.5).float().expand(1, 3, -1, -1).contiguous()
    plain, _ = reblur_sweep(colour, nearer, coc)
    splatted, _ = splat_sweep(colour, nearer, coc)
    assert plain[0, 0, 0, 24, 22] == 0.0  # a sharp pixel gathers nothing of the blurred object beside it
    assert splatted[0, 0, 0, 24, 22] > 0.1


def test_gradient_in_the_blur_matches_finite_differences() -> None:
    coc = torch.full((1, 1, 48, 48), 5.0, requires_grad=True)
    weight = torch.rand(48, 48, generator=torch.Generator().manual_seed(1))
    (reblur_sweep(COLOUR, FLAT, coc)[0] * weight).sum().backward()
    step = 0.25
    raised, lowered = ((reblur_sweep(COLOUR, FLAT, coc.detach() + s)[0] * weight).sum() for s in (step, -step))
    assert coc.grad is not None
    torch.testing.assert_close(coc.grad.sum(), (raised - lowered) / (2 * step), rtol=1e-3, atol=1e-3)


def test_no_blur_gives_the_picture_back_and_the_largest_is_finite() -> None:
    picture, coverage = reblur_sweep(COLOUR, FLAT, torch.zeros(1, 1, 48, 48))
    torch.testing.assert_close(picture[:, 0], COLOUR)
    assert (coverage == 1).all()
    assert reblur_sweep(COLOUR, FLAT, torch.full((1, 1, 48, 48), 2 * LEVELS_PX[-1]))[0].isfinite().all()
