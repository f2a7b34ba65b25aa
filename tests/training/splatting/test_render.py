"""Gaussian splats: every engine against the torch twin, and the twin against finite differences in double precision."""

import pytest
import torch

from defocus_depth.errors import BackendUnavailableError, ConfigError
from defocus_depth.types import CameraIntrinsics
from defocus_training.splatting.projected import project
from defocus_training.splatting.psf import DiscPsf, GaussianPsf
from defocus_training.splatting.render import RenderOptions, render
from defocus_training.splatting.scene import Blur, SceneGaussians
from defocus_training.splatting.torch_twin import window_weights

CAMERA = CameraIntrinsics(14, 11, 50.0, 50.0, 6.5, 5.0)
NAMES = ("inverse_depth", "colour", "opacity", "scale_px")


def scene(dtype=torch.float32, count=60, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def random(*shape):
        return torch.rand(*shape, generator=generator).to(dtype)

    position = random(count, 2) * torch.tensor([14.0, 11.0]).to(dtype)
    learned = random(count) * 2, random(count, 3), 0.3 + 0.7 * random(count), 0.4 + random(count)
    return SceneGaussians(position, *(values.requires_grad_() for values in learned))


def blur(dtype=torch.float32):
    values = torch.tensor([3.0, 2.5]), torch.tensor([0.5, 1.7])
    return Blur(*(value.to(dtype).requires_grad_() for value in values))


def picture_and_gradients(engine, mode, normalise=True):
    gaussians, defocus = scene(), blur()
    image = render(gaussians, defocus, CAMERA, RenderOptions(engine, mode, GaussianPsf(0.25), normalise))
    towards = torch.rand(image.shape, generator=torch.Generator().manual_seed(9))
    wanted = [getattr(gaussians, name) for name in NAMES] + list(defocus)
    return image, torch.autograd.grad((image * towards).sum(), wanted)


@pytest.mark.parametrize("mode", ["alpha", "coverage"])
@pytest.mark.parametrize("normalise", [True, False])
def test_cpu_equals_the_twin(mode, normalise):
    image, gradients = picture_and_gradients("cpu", mode, normalise)
    twin, of_twin = picture_and_gradients("torch", mode, normalise)
    assert (image - twin).abs().max() < 1e-5
    for name, got, expected in zip([*NAMES, "gain", "focus"], gradients, of_twin, strict=True):
        assert expected.abs().max() > 1e-3, name
        assert (got - expected).abs().max() < 1e-4 * expected.abs().max().clamp_min(1), name


@pytest.mark.parametrize("mode", ["alpha", "coverage"])
def test_gradients_equal_finite_differences(mode):
    """In double precision, with steps so small that hardly any pixel meets a cut or closes."""
    gaussians, defocus, step = scene(torch.float64, 25), blur(torch.float64), 1e-6
    towards = torch.rand(2, 3, 11, 14, generator=torch.Generator().manual_seed(9)).double()
    options = RenderOptions("torch", mode, GaussianPsf(0.25))

    def loss(*values):
        moved = SceneGaussians(gaussians.position_px, *values)
        return (render(moved, defocus, CAMERA, options) * towards).sum()

    values = [getattr(gaussians, name) for name in NAMES]
    for index, gradient in enumerate(torch.autograd.grad(loss(*values), values)):
        direction = torch.randn(gradient.shape, generator=torch.Generator().manual_seed(index)).double()
        ends = [
            loss(*(v.detach() + sign * step * direction if i == index else v.detach() for i, v in enumerate(values)))
            for sign in (1, -1)
        ]
        difference = (ends[0] - ends[1]) / (2 * step)
        assert torch.isclose((gradient * direction).sum(), difference, rtol=1e-4), NAMES[index]


@pytest.mark.parametrize("inverse_depth", [0.0, 1.0, 2.3])
def test_a_splats_energy_does_not_depend_on_its_depth(inverse_depth):
    """With a hard cut at 3σ its derivative would be -0.1 of the energy per relative change of σ."""
    fixed = torch.tensor([[30.3, 29.8]]), torch.ones(1, 3), torch.ones(1), torch.tensor([1.5])
    depth = torch.tensor([inverse_depth], requires_grad=True)
    one = SceneGaussians(fixed[0], depth, *fixed[1:])
    splats = project(one, Blur(torch.tensor([6.0]), torch.tensor([2.0])), kappa=0.25)
    distance = torch.cdist(one.position_px, torch.cartesian_prod(torch.arange(61.0), torch.arange(61.0)))
    energy = window_weights(torch.exp(-distance.square() / (2 * splats.sigma_px[0].square())), splats.peak[0]).sum()
    assert abs(energy.item() / (2 * torch.pi * 1.5**2) - 1) < 0.002
    assert abs(torch.autograd.grad(energy, depth)[0].item()) < 0.005 * energy.item()


def test_pixel_sized_splats_go_the_fast_way_and_agree_with_their_twin():
    colour = torch.rand(3, 11, 14, generator=torch.Generator().manual_seed(1))
    inverse_depth = 1 + torch.linspace(0, 0.2, 14).expand(11, 14)  # smooth: nothing hides behind a rim
    pictures = [
        render(SceneGaussians.from_maps(colour, inverse_depth), blur(), CAMERA, RenderOptions(engine))
        for engine in ("cpu", "torch")
    ]
    assert (pictures[0] - pictures[1]).abs().max() < 1e-5


def test_strided_scenes_stand_for_their_cells():
    colour = torch.rand(3, 8, 12, generator=torch.Generator().manual_seed(1))
    inverse_depth = torch.rand(8, 12, generator=torch.Generator().manual_seed(2))
    strided = SceneGaussians.from_maps(colour, inverse_depth, stride=4)
    assert strided.position_px.tolist() == [[x, y] for y in (1.5, 5.5) for x in (1.5, 5.5, 9.5)]
    assert torch.allclose(strided.inverse_depth[1], inverse_depth[:4, 4:8].mean())
    assert strided.scale_px is not None
    assert torch.allclose(strided.scale_px, torch.full((6,), 1.6))
    with pytest.raises(ConfigError, match="stride: expected a divisor of 12x8, got 5"):
        SceneGaussians.from_maps(colour, inverse_depth, stride=5)


def test_what_an_engine_cannot_do_is_refused():
    gaussians = scene()
    with pytest.raises(ConfigError, match="psf: expected a GaussianPsf for Gaussian splats, got DiscPsf"):
        render(gaussians, blur(), CAMERA, RenderOptions("cpu", psf=DiscPsf()))
    pixels = SceneGaussians.from_maps(torch.rand(3, 11, 14), torch.rand(11, 14))
    with pytest.raises(ConfigError, match="expected mode 'coverage' and engine 'cpu' or 'torch', got 'alpha'"):
        render(pixels, blur(), CAMERA, RenderOptions("cpu", "alpha"))
    with pytest.raises(ConfigError, match="expected 154 of them, got 153"):
        short = SceneGaussians(*(getattr(pixels, name)[:-1] for name in ("position_px", *NAMES[:3])))
        render(short, blur(), CAMERA, RenderOptions("cpu"))
    if not torch.cuda.is_available():
        with pytest.raises(BackendUnavailableError, match="expected a CUDA device"):
            render(gaussians, blur(), CAMERA, RenderOptions("gsplat"))
