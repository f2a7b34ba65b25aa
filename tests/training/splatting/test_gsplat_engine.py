"""The gsplat engine: its calls on a stand-in with gsplat's own contracts; on a GPU, gsplat itself against both engines.

`pytest -m gpu -rP` prints how far the pictures and gradients are from the other engines'.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import Tensor

from defocus_depth.errors import BackendUnavailableError
from defocus_depth.types import CameraIntrinsics
from defocus_training.splatting import gsplat_engine
from defocus_training.splatting.projected import project
from defocus_training.splatting.psf import GaussianPsf
from defocus_training.splatting.render import RenderOptions, render
from defocus_training.splatting.scene import Blur, SceneGaussians
from defocus_training.splatting.torch_twin import alpha_weights

TOLERANCE = 1e-3  # of values; of gradients, over the largest
LEARNED = ("inverse_depth", "colour", "opacity", "scale_px")
SIZES = {"scattered": (11, 14), "picture": (40, 52)}  # neither is a multiple of gsplat's tiles


def scene(kind: str) -> SceneGaussians:
    """Splats anywhere; or one on each pixel of a slope with a step, of which many are equally far."""
    generator = torch.Generator().manual_seed(3)
    height, width = SIZES[kind]
    if kind == "scattered":
        position = torch.rand(70, 2, generator=generator) * torch.tensor([width, height])
        depth = torch.rand(70, generator=generator) * 2
        shape = {"opacity": 0.3 + 0.7 * torch.rand(70, generator=generator), "scale_px": 0.4 + depth.flip(0)}
        return SceneGaussians(position, depth, torch.rand(70, 3, generator=generator), **shape)
    slope = torch.linspace(0.5, 1.5, width).expand(height, -1) + torch.arange(height)[:, None].ge(height // 2)
    dense = SceneGaussians.from_maps(torch.rand(3, height, width, generator=generator), slope, stride=1)
    opacity = torch.full_like(dense.opacity, 0.3)
    return SceneGaussians(dense.position_px, dense.inverse_depth, dense.colour, opacity, dense.scale_px)


def picture_and_gradients(kind: str, engine: str, normalise: bool, device: str) -> dict[str, Tensor]:
    """The picture, and the gradient of a random sum of it by all that is learned, on the CPU."""
    fixed, (height, width) = scene(kind), SIZES[kind]
    learned = {name: getattr(fixed, name).clone().requires_grad_() for name in LEARNED}
    blur = {"gain": torch.tensor([3.0, 2.5]).requires_grad_(), "focus": torch.tensor([0.5, 1.7]).requires_grad_()}
    on_device = SceneGaussians(fixed.position_px.to(device), **{name: t.to(device) for name, t in learned.items()})
    camera = CameraIntrinsics(width, height, 50.0, 50.0, (width - 1) / 2, (height - 1) / 2)
    options = RenderOptions(engine, "alpha", GaussianPsf(0.25), normalise)  # type: ignore[arg-type]
    image = render(on_device, Blur(*(values.to(device) for values in blur.values())), camera, options)
    assert image.device.type == device
    towards = torch.rand(image.shape, generator=torch.Generator().manual_seed(9)).to(device)
    wanted = learned | blur
    gradients = torch.autograd.grad((image * towards).sum(), list(wanted.values()))
    return {"picture": image.detach().cpu(), **dict(zip(wanted, gradients, strict=True))}


def differences(found: dict[str, Tensor], expected: dict[str, Tensor]) -> dict[str, float]:
    """Largest difference of values, and of each gradient over the largest gradient."""
    return {
        name: float((values - expected[name]).abs().max() / (1 if name == "picture" else expected[name].abs().max()))
        for name, values in found.items()
    }


class FakeGsplat(ModuleType):
    """Checks what it is given as gsplat 1.5.3 does, and composites on the CPU by the twin's formula."""

    def __init__(self) -> None:
        super().__init__("gsplat")

    def isect_tiles(self, means2d: Tensor, radii: Tensor, depths: Tensor, tile: int, columns: int, rows: int):
        foci, count = depths.shape
        assert means2d.shape == (foci, count, 2) and radii.shape == (foci, count, 2)
        assert (means2d.dtype, radii.dtype, depths.dtype) == (torch.float32, torch.int32, torch.float32)
        assert bool((depths > 0).all())  # sorted by their bits
        self.depths, self.radii, self.tiles = depths, radii, (rows, columns)
        return torch.ones_like(depths, dtype=torch.int32), torch.arange(8), torch.arange(8, dtype=torch.int32)

    def isect_offset_encode(self, isect_ids: Tensor, n_images: int, columns: int, rows: int) -> Tensor:
        assert isect_ids.dtype == torch.int64 and (rows, columns) == self.tiles
        return torch.zeros(n_images, rows, columns, dtype=torch.int32)

    def rasterize_to_pixels(
        self,
        means2d: Tensor,
        conics: Tensor,
        colors: Tensor,
        opacities: Tensor,
        width: int,
        height: int,
        tile: int,
        offsets: Tensor,
        flat: Tensor,
    ) -> tuple[Tensor, Tensor]:
        foci, count = opacities.shape
        assert conics.shape == colors.shape == (foci, count, 3)
        for values in (means2d, conics, colors, opacities):
            assert values.dtype == torch.float32 and values.is_contiguous()
        assert offsets.shape[1] * tile >= height and offsets.shape[2] * tile >= width
        rows, columns = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        images, alphas = [], []
        for f in range(foci):
            dx, dy = columns.flatten() - means2d[f, :, :1], rows.flatten() - means2d[f, :, 1:]
            a, b, c = (conics[f, :, i, None] for i in range(3))
            inside = (dx.abs() <= self.radii[f, :, :1]) & (dy.abs() <= self.radii[f, :, 1:])
            bell = torch.exp(-0.5 * (a * dx.square() + c * dy.square()) - b * dx * dy) * inside
            order = self.depths[f].argsort()
            weights = alpha_weights(bell[order], opacities[f][order])
            images.append((weights.T @ colors[f][order]).view(height, width, 3))
            alphas.append(weights.sum(0).view(height, width, 1))
        return torch.stack(images), torch.stack(alphas)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeGsplat:
    """`import gsplat` gives this one, and CUDA seems to be there."""
    module = FakeGsplat()
    monkeypatch.setitem(sys.modules, "gsplat", module)
    monkeypatch.setitem(sys.modules, "gsplat.cuda._backend", SimpleNamespace(_C=object()))  # type: ignore[arg-type]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    return module


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("normalise", [True, False])
def test_what_gsplat_is_given_makes_the_cpu_engines_picture(kind: str, normalise: bool, fake: FakeGsplat):
    expected = picture_and_gradients(kind, "cpu", normalise, "cpu")
    found = differences(picture_and_gradients(kind, "gsplat", normalise, "cpu"), expected)
    assert max(found.values()) < 1e-4, found


def test_double_precision_is_rounded_for_gsplat(fake: FakeGsplat):
    fixed = scene("scattered")
    double = SceneGaussians(*(getattr(fixed, name).double() for name in ("position_px", *LEARNED)))
    splats = project(double, Blur(torch.tensor([3.0]).double(), torch.tensor([0.5]).double()), 0.25)
    camera = CameraIntrinsics(14, 11, 50.0, 50.0, 6.5, 5.0)
    assert gsplat_engine.render_alpha(splats, camera, True).dtype == torch.float32


def test_gsplat_that_is_not_compiled_says_what_to_do(fake: FakeGsplat, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "gsplat.cuda._backend", SimpleNamespace(_C=None))  # type: ignore[arg-type]
    with pytest.raises(BackendUnavailableError, match="engine gsplat: expected its compiled kernels, .*nvcc"):
        picture_and_gradients("scattered", "gsplat", True, "cpu")


def require_gsplat() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    pytest.importorskip("gsplat")


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Callable[[dict[str, float]], None]:
    """A function that prints the differences, with the card's name."""

    def tell(found: dict[str, float]) -> None:
        figures = ", ".join(f"{name} {value:.1e}" for name, value in found.items())
        print(f"{request.node.name} on {torch.cuda.get_device_name()}: {figures}")

    return tell


@pytest.mark.gpu
@pytest.mark.timeout(600)  # gsplat compiles itself at first use
@pytest.mark.parametrize(("engine", "device"), [("cpu", "cpu"), ("torch", "cuda")])
@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("normalise", [True, False])
def test_gsplat_equals_the_other_engines(kind: str, normalise: bool, engine: str, device: str, told):
    require_gsplat()
    expected = picture_and_gradients(kind, engine, normalise, device)
    found = differences(picture_and_gradients(kind, "gsplat", normalise, "cuda"), expected)
    told(found)
    assert max(found.values()) < TOLERANCE, found


@pytest.mark.gpu
def test_the_twin_computes_on_a_gpu_what_it_computes_on_the_cpu(told):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    on_both = [picture_and_gradients("scattered", "torch", True, device) for device in ("cuda", "cpu")]
    found = differences(*on_both)
    told(found)
    assert max(found.values()) < TOLERANCE, found
