"""`gather_blur` in torch, for all frames of a stack at once: what renders procedural stacks on a GPU."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import get_worker_info

from .gather_blur import SPAN_EXTENT
from .layered_scene import LayeredScene
from .procedural import Renderer, render_layers

FINE_RADIUS_PX = 4.0  # up to here an aperture's rows are four to a pixel, as in `gather_blur`


def gather_blur_frames(
    layer: Float[Tensor, "h w c"], coc_px: Float[Tensor, "f h w"], spans: Float[Tensor, "s 2"], margin: int
) -> Float[Tensor, "f hi wi c"]:
    """`layer` blurred by each of the maps |`coc_px`|; the inside without `margin` pixels on each side.

    Same arithmetic as `gather_blur`, which blurs by one map: row by row of the aperture, from prefix sums.
    """
    inside = slice(margin, -margin if margin else None)
    radius = 0.5 * coc_px[:, inside, inside].abs()
    rows = (2 * SPAN_EXTENT * radius * torch.where(radius > FINE_RADIUS_PX, 1.0, 4.0)).long() + 1
    sums = torch.nn.functional.pad(layer.cumsum(1), (0, 0, 1, 0))
    y = torch.arange(layer.shape[0], device=layer.device)[inside, None].to(layer)
    x = torch.arange(layer.shape[1], device=layer.device)[None, inside].to(layer)
    total = torch.zeros((*radius.shape, layer.shape[2]), device=layer.device)
    area = torch.zeros_like(radius)
    for k in range(int(rows.max())):
        s = SPAN_EXTENT * ((2 * k + 1) / rows - 1)
        left, right, used = _ends(x, radius, _span_at(spans, s), layer.shape[1])
        used &= k < rows
        row = (y + 0.5 + s * radius).long().clamp(0, layer.shape[0] - 1)
        weight = used.to(layer)
        total += weight[..., None] * (_sum_to(layer, sums, row, right) - _sum_to(layer, sums, row, left))
        area += weight * (right - left)
    return total / area.clamp_min(1e-9)[..., None]


def _span_at(spans: Float[Tensor, "s 2"], s: Float[Tensor, "f h w"]) -> Float[Tensor, "f h w 2"]:
    """The aperture's ends at height `s`, in radii."""
    position = (s / SPAN_EXTENT + 1) * 0.5 * (len(spans) - 1)
    index = position.long().clamp(0, len(spans) - 2)
    part = (position - index)[..., None]
    return spans[index] * (1 - part) + spans[index + 1] * part


def _ends(x: Tensor, radius: Tensor, span: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Ends of one row of the aperture in the picture, and whether it counts; a tiny one is the pixel's middle."""
    left, right = x + 0.5 + radius * span[..., 0], x + 0.5 + radius * span[..., 1]
    empty = right - left < 1e-3
    left, right = torch.where(empty, x + 0.4995, left), torch.where(empty, x + 0.5005, right)
    return left.clamp_min(0), right.clamp_max(width - 1e-3), ~(empty & (radius > 0.01))


def _sum_to(layer: Tensor, sums: Tensor, row: Tensor, end: Tensor) -> Tensor:
    """Sum of a row of the layer from its start to `end`."""
    column = end.long().clamp_max(layer.shape[1] - 1)
    return sums[row, column] + (end - column)[..., None] * layer[row, column]


def render_on(device: torch.device) -> Renderer:
    """A renderer of layered scenes on `device`."""

    @torch.no_grad()
    def render(
        scene: LayeredScene, focus_px: npt.NDArray[np.float32], spans: npt.NDArray[np.float32], margin: int
    ) -> npt.NDArray[np.float32]:
        def on_device(values: npt.NDArray[np.float32]) -> Tensor:
            return torch.from_numpy(values).to(device)

        picture = torch.zeros(())
        for index, layer in enumerate(scene.layers):
            coc = on_device(focus_px)[:, None, None] - on_device(layer.inverse_depth_px)
            blurred = gather_blur_frames(on_device(layer.rgba), coc, on_device(spans), margin)
            picture = blurred[..., :3] if index == 0 else picture * (1 - blurred[..., 3:]) + blurred[..., :3]
        return picture.cpu().numpy()

    return render


def fastest_renderer() -> Renderer:
    """On the GPU where there is one and this is no data process (they are forked, and cannot use it), else compiled."""
    if get_worker_info() is None and torch.cuda.is_available():
        return _render_on_gpu()
    return render_layers


@functools.cache
def _render_on_gpu() -> Renderer:
    return render_on(torch.device("cuda"))
