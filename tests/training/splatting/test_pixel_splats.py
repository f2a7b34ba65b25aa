"""The fast coverage engine for pixel splats against its torch twin, finite differences and arithmetic done by hand."""

import numpy as np
import pytest
import torch

from defocus_training.splatting.coverage_function import coverage_image
from defocus_training.splatting.kernel_table import kernel_table
from defocus_training.splatting.pixel_splats import CoverageOptions, splat_sweep, splat_with_coc
from defocus_training.splatting.psf import DiscPsf, GaussianPsf, PolygonPsf
from defocus_training.splatting.torch_twin import pixel_coverage_image

PSFS = [DiscPsf(), GaussianPsf(0.27), PolygonPsf(5, 0.4)]


def scene(height=12, width=15, seed=0, reach_px=6.0):
    """A random scene with large blur of both signs, so that splats occlude, close pixels and leave the picture."""
    generator = torch.Generator().manual_seed(seed)
    colour = torch.rand(1, 3, height, width, generator=generator)
    inverse_depth = torch.rand(1, 1, height, width, generator=generator)
    coc = reach_px * (torch.rand(1, 1, height, width, generator=generator) * 2 - 1)
    opacity = 0.5 + 0.5 * torch.rand(1, 1, height, width, generator=generator)
    return colour, inverse_depth, coc, opacity


@pytest.mark.parametrize("psf", PSFS, ids=lambda psf: type(psf).__name__)
def test_image_and_gradients_equal_the_twins(psf):
    colour, inverse_depth, coc, opacity = scene()
    generator = torch.Generator().manual_seed(1)
    towards = torch.rand(3, 12, 15, generator=generator)
    pixel = torch.randint(12 * 15, (180,), generator=generator)  # some pixels hold several splats, some none
    order = torch.argsort(inverse_depth.flatten(), descending=True)
    splats = [values.requires_grad_() for values in (colour[0].flatten(1), coc.flatten(), opacity.flatten())]

    of_one = splats[0][None], splats[1][None, None], splats[2][None], pixel[None], order[None]
    fast = coverage_image(*of_one, size=(12, 15), psf=psf)[0][0, 0]
    table = kernel_table(psf, 8.0)
    twin = pixel_coverage_image(splats[0], splats[1], splats[2], pixel, order, (12, 15), table)
    assert torch.allclose(fast, twin, atol=2e-6)

    of_fast = torch.autograd.grad((fast * towards).sum(), splats)
    of_twin = torch.autograd.grad((twin * towards).sum(), splats)
    for got, expected in zip(of_fast, of_twin, strict=True):
        assert expected.abs().max() > 1e-3
        assert torch.allclose(got, expected, atol=2e-5), (got - expected).abs().max()


def test_gradients_equal_finite_differences():
    colour, inverse_depth, coc, opacity = scene(8, 9, seed=3)
    towards = torch.rand(1, 1, 3, 8, 9, generator=torch.Generator().manual_seed(4))
    step = 2e-3

    def loss(colour, coc, opacity):
        return (splat_sweep(colour, inverse_depth, coc, opacity)[0] * towards).double().sum()

    inputs = [tensor.requires_grad_() for tensor in (colour, coc, opacity)]
    gradients = torch.autograd.grad(loss(*inputs), inputs)
    for index, gradient in enumerate(gradients):
        flat = gradient.flatten()
        differences = torch.empty_like(flat)
        for element in range(len(flat)):
            ends = []
            for sign in (1, -1):
                moved = [tensor.detach().clone() for tensor in inputs]
                moved[index].view(-1)[element] += sign * step
                ends.append(loss(*moved))
            differences[element] = (ends[0] - ends[1]) / (2 * step)
        wrong = (flat - differences).abs() > 5e-3 + 0.02 * differences.abs()
        assert wrong.float().mean() < 0.05  # a few sit on a kink: a table entry ends or a pixel just closes


def test_a_sweep_equals_its_pictures_one_by_one():
    colour, inverse_depth, _, opacity = scene()
    sweep = torch.linspace(-5, 5, 4).view(1, 4, 1, 1) * inverse_depth
    visible_only = CoverageOptions(fill_hidden=False)  # what is hidden depends on the largest blur of the sweep
    together, coverage = splat_sweep(colour, inverse_depth, sweep, opacity, visible_only)
    for f in range(4):
        alone, alone_coverage = splat_sweep(colour, inverse_depth, sweep[:, f : f + 1], opacity, visible_only)
        assert torch.equal(together[:, f], alone[:, 0])
        assert torch.equal(coverage[:, f], alone_coverage[:, 0])


def test_threads_change_nothing():
    inputs = [tensor.requires_grad_() for tensor in scene(40, 33, seed=5)]
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            image = splat_sweep(inputs[0], inputs[1], inputs[2], inputs[3])[0]
            results.append([image, *torch.autograd.grad(image.square().sum(), (inputs[0], inputs[2], inputs[3]))])
    finally:
        torch.set_num_threads(threads)
    for one, three in zip(*results, strict=True):
        assert torch.equal(one, three)


def test_a_scene_in_focus_is_returned_unchanged():
    colour, inverse_depth, coc, _ = scene()
    assert torch.allclose(splat_with_coc(colour, inverse_depth, torch.zeros_like(coc)), colour, atol=1e-6)


def test_a_plane_is_convolved_with_the_kernel():
    colour, inverse_depth, coc, _ = scene(31, 31)
    coc = torch.full_like(coc, -4.5)
    image = splat_with_coc(colour, torch.ones_like(inverse_depth), coc)
    kernel = torch.from_numpy(kernel_table(DiscPsf(), 8.0).kernel(-4.5).copy())
    expected = torch.nn.functional.conv2d(colour.transpose(0, 1), kernel[None, None].flip(2, 3)).transpose(0, 1)
    margin = len(kernel) // 2
    inside = image[..., margin:-margin, margin:-margin]
    assert torch.allclose(inside, expected, atol=1e-5)


@pytest.mark.parametrize("coc_px", [-9.3, -3.1, 1.7, 5.2])
def test_a_grating_fades_as_optics_says_and_so_does_its_gradient(coc_px):
    """A grating seen through a disc of diameter c keeps the share MTF(c) = mean of cos(2πfx) over the disc."""
    frequency, size, step = 0.07, 71, 1e-4
    grating = torch.cos(2 * torch.pi * frequency * (torch.arange(size) - size // 2)).expand(1, 3, size, size)
    coc = torch.tensor(coc_px, requires_grad=True)
    image = splat_with_coc(grating, torch.ones(1, 1, size, size), coc.expand(1, 1, size, size))
    at_crest = image[0, 0, 20:-20, size // 2].mean()
    assert abs(at_crest.item() - _disc_transfer(frequency, coc_px)) < 0.01
    slope = (_disc_transfer(frequency, coc_px + step) - _disc_transfer(frequency, coc_px - step)) / (2 * step)
    assert torch.autograd.grad(at_crest, coc)[0].item() == pytest.approx(slope, rel=0.05, abs=0.002)


def _disc_transfer(frequency, diameter):
    x = np.linspace(-1, 1, 20001)
    chord = np.sqrt(1 - x**2)
    return (chord * np.cos(np.pi * frequency * diameter * x)).sum() / chord.sum()


def test_odd_polygons_turn_over_between_the_sides_of_the_focus_plane():
    table = kernel_table(PolygonPsf(5, 0.4), 8.0)
    beyond, nearer = table.kernel(6.2), table.kernel(-6.2)
    assert np.allclose(beyond, nearer[::-1, ::-1])
    assert np.abs(beyond - nearer).max() > 0.002


def test_a_sharp_foreground_hides_the_blur_behind_it():
    colour = torch.zeros(1, 3, 9, 20)
    colour[..., 10:] = 1.0  # a bright, far, blurred half beside a dark, near, sharp one
    near = torch.arange(20) < 10
    inverse_depth = torch.where(near, 2.0, 1.0).expand(1, 1, 9, 20)
    coc = torch.where(near, 0.0, 6.0).expand(1, 1, 9, 20)
    image = splat_with_coc(colour, inverse_depth, coc)
    assert image[..., :10].max() < 1e-6
    swapped = splat_with_coc(colour, -inverse_depth, coc)  # now the blurred half is in front and spills over
    assert swapped[..., 9].min() > 0.2


def test_coc_beyond_the_largest_table_is_drawn_at_that_size_without_gradient():
    colour, inverse_depth, coc, _ = scene(10, 10)
    wide = torch.full_like(coc, 500.0).requires_grad_()
    image = splat_with_coc(colour, inverse_depth, wide)
    assert torch.isfinite(image).all()
    assert torch.autograd.grad(image.square().sum(), wide)[0].abs().max() == 0


def test_no_gradient_reaches_the_order():
    colour, inverse_depth, coc, _ = scene()
    inverse_depth.requires_grad_()
    colour.requires_grad_()
    image = splat_with_coc(colour, inverse_depth, coc)
    assert torch.autograd.grad(image.sum(), inverse_depth, allow_unused=True)[0] is None
