"""Splats of one pixel each on the pixel grid: the fast path of the CPU engine, by coverage, with any tabulated PSF."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .coverage_function import coverage_image
from .hidden_surface import hidden_sources
from .psf import DiscPsf, Psf


@dataclass(frozen=True)
class CoverageOptions:
    """How pixel splats are composited.

    Attributes:
        psf: blur shape.
        fill_hidden: repeat the surface behind rims where a lens sees past them (`hidden_surface`).
    """

    psf: Psf = DiscPsf()
    fill_hidden: bool = True


DEFAULTS = CoverageOptions()


def splat_with_coc(
    colour: Float[Tensor, "b 3 h w"],
    inverse_depth: Float[Tensor, "b 1 h w"],
    coc_px: Float[Tensor, "b 1 h w"],
    options: CoverageOptions = DEFAULTS,
) -> Float[Tensor, "b 3 h w"]:
    """The defocused picture of a scene given as one splat per pixel, on the CPU.

    Gradients reach `colour` and `coc_px`. `inverse_depth` only says what occludes what (larger is nearer) and gets no
    gradient: an image has no derivative where two splats change places.

    Args:
        colour: linear radiance of the sharp picture.
        inverse_depth: in any unit that grows towards the camera.
        coc_px: signed CoC diameter; beyond ±`coverage_function.MAX_COC_PX` drawn at that size, without gradient.
    """
    return splat_sweep(colour, inverse_depth, coc_px, options=options)[0][:, 0]


def splat_sweep(
    colour: Float[Tensor, "b 3 h w"],
    inverse_depth: Float[Tensor, "b 1 h w"],
    coc_px: Float[Tensor, "b f h w"],
    opacity: Float[Tensor, "b 1 h w"] | None = None,
    options: CoverageOptions = DEFAULTS,
) -> tuple[Float[Tensor, "b f 3 h w"], Float[Tensor, "b f h w"]]:
    """`splat_with_coc` of f focus distances at once, with the coverage Σw of each pixel (no gradient).

    A coverage well below 1 marks pixels that would get light from outside the picture.
    `opacity` (0..1, default 1) scales each splat's weight and gets a gradient.
    """
    if opacity is None:
        opacity = torch.ones_like(inverse_depth)
    visible = _Splats(colour.flatten(2), coc_px.flatten(2), opacity.flatten(1), _pixels(inverse_depth))
    order = _front_to_back(inverse_depth.flatten(1))
    if options.fill_hidden:
        source = _hidden(inverse_depth, coc_px)
        visible, order = visible.with_hidden(source), _hidden_last(order, inverse_depth, source)
    return coverage_image(*visible.parts(), order, (coc_px.shape[2], coc_px.shape[3]), options.psf)


@dataclass(frozen=True)
class _Splats:
    colour: Float[Tensor, "b 3 n"]
    coc: Float[Tensor, "b f n"]
    opacity: Float[Tensor, "b n"]
    pixel: Int64[Tensor, "b n"]

    def with_hidden(self, source: Int64[Tensor, "b n"]) -> _Splats:
        """These splats, and for each pixel with a source a copy of the source's splat."""
        pixel, origin, exists = _packed(source)
        return _Splats(
            torch.cat([self.colour, _at(self.colour, origin)], 2),
            torch.cat([self.coc, _at(self.coc, origin)], 2),
            torch.cat([self.opacity, self.opacity.gather(1, origin) * exists], 1),
            torch.cat([self.pixel, pixel], 1),
        )

    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.colour, self.coc, self.opacity, self.pixel


def _pixels(inverse_depth: Tensor) -> Int64[Tensor, "b n"]:
    count = inverse_depth[0].numel()
    return torch.arange(count).expand(len(inverse_depth), count)


def _front_to_back(inverse_depth: Float[Tensor, "b n"]) -> Int64[Tensor, "b n"]:
    return torch.argsort(inverse_depth.detach(), dim=1, descending=True, stable=True)


def _hidden(inverse_depth: Float[Tensor, "b 1 h w"], coc_px: Float[Tensor, "b f h w"]) -> Int64[Tensor, "b n"]:
    """Flat index of the splat to repeat behind each pixel, or -1."""
    depth_rank, coc = inverse_depth.detach().float().numpy(), coc_px.detach().float()
    reach = (coc.abs().amax(1) / 2).numpy()
    sources = [
        hidden_sources(depth_rank[b, 0], coc[b, 0].contiguous().numpy(), reach[b]) for b in range(len(depth_rank))
    ]
    return torch.stack([torch.from_numpy(source) for source in sources]).flatten(1).long()


def _hidden_last(order: Int64[Tensor, "b n"], inverse_depth: Tensor, source: Int64[Tensor, "b n"]) -> Tensor:
    _, origin, _ = _packed(source)
    behind = _front_to_back(inverse_depth.flatten(1).gather(1, origin))
    return torch.cat([order, order.shape[1] + behind], 1)


def _packed(source: Int64[Tensor, "b n"]) -> tuple[Tensor, Tensor, Tensor]:
    """Pixel, source and existence of each hidden splat, (b, m): m is the most that any picture has."""
    exists, pixel = torch.sort((source >= 0).to(torch.int8), dim=1, descending=True, stable=True)
    most = int(exists.sum(1).max())
    pixel, exists = pixel[:, :most], exists[:, :most]
    return pixel, source.gather(1, pixel).clamp_min(0), exists


def _at(values: Float[Tensor, "b c n"], index: Int64[Tensor, "b m"]) -> Float[Tensor, "b c m"]:
    return values.gather(2, index[:, None].expand(-1, values.shape[1], -1))
