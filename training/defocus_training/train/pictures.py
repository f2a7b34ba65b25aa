"""A picture of what the networks see and say, for TensorBoard."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..data.crops import STRIDE, Pair
from ..networks import DefocusModel

ROWS = 4
LARGEST_PX = 24.0


@torch.no_grad()
def panel(model: DefocusModel, pair: Pair) -> np.ndarray:
    """uint8 (H, W, 3): per row an image, its target |CoC|, SDNet's |CoC|, DepthNet's |CoC| and the targets' weight.

    |CoC| of 0..24 px in the colour map turbo; weight in grey. The first image of each of the first four pairs.
    """
    model.eval()
    image, focus = pair.image[:ROWS, 0], pair.focus_px[:ROWS, :1]
    defocus, inverse = model.estimate_px(image, pair.lens_px[:ROWS, 0])
    focus_map = focus[:, :, None, None]
    maps = [(focus_map - pair.target_px[:ROWS]).abs(), defocus.coc_px, (focus_map - inverse.u_px).abs()]
    columns = [_bytes(image), *(_turbo(values / LARGEST_PX) for values in maps), _grey(pair.weight[:ROWS])]
    return np.concatenate([np.concatenate(list(column)) for column in columns], 1)


def _turbo(values: Float[Tensor, "b 1 h4 w4"]) -> list[np.ndarray]:
    return [cv2.applyColorMap(plane, cv2.COLORMAP_TURBO)[..., ::-1] for plane in _grey(values)[..., 0]]


def _grey(values: Float[Tensor, "b 1 h4 w4"]) -> np.ndarray:
    return _bytes(values.repeat_interleave(STRIDE, 2).repeat_interleave(STRIDE, 3).expand(-1, 3, -1, -1))


def _bytes(images: Float[Tensor, "b 3 h w"]) -> np.ndarray:
    return (images.float().clamp(0, 1) * 255).byte().permute(0, 2, 3, 1).cpu().numpy()
