"""DepthNet: image, SDNet's map and the lens to inverse depth; it resolves the sign and fills textureless places."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .features import FEATURES
from .sdnet import SMALLEST_SCALE_PX, Defocus
from .unet import UNet

COC_UNIT_PX = 20.0
HINTS = 6
NEAREST_HINT = (-0.25, 2.0)
"""Range of the hint of the nearest depth, in units of 20 px: what lies further from the focus makes no difference."""
COC_TOLERANCE_PX = 4.0
"""By which SDNet's |CoC| may be too large: a point that much nearer than ν may still be on the near side."""
EDGE_CELLS = 5
"""Window (cells of 4 px) in which a depth edge of a blurred picture may be misplaced."""
EDGE_SHARE = 0.3
"""Of a depth edge's height, added to the scale around it: a pixel on the wrong side is wrong by all of it."""


class InverseDepth(NamedTuple):
    """At stride 4: location `u_px` = G/d > 0 and Laplace scale `scale_px` of the inverse depth in px."""

    u_px: Float[Tensor, "b 1 h4 w4"]
    scale_px: Float[Tensor, "b 1 h4 w4"]


class DepthNet(nn.Module):
    """Works in pixels of blur, u = G/d and φ = G·F, so that one network serves every lens."""

    def __init__(self, widths: tuple[int, ...], hidden: int, hidden_used: int = 12) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(hidden, hidden_used, 1)
        self.unet = UNet(FEATURES + hidden_used + HINTS, widths)
        self.head = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, defocus: Defocus, lens_px: Float[Tensor, "b 2"]) -> InverseDepth:
        """Inverse depth from SDNet's output and the lens: φ (px), and ν, the largest u = G/d there can be (px).

        One image does not show on which side of the focus a point lies. Where the focus is nearer than all there can
        be, ν ≤ φ, nothing is on its near side; else the scene's layout must tell.

        The network says on which side of the focus plane a point lies (tanh) and corrects SDNet's |CoC| by a residual:
        u = softplus(φ − side·|CoC| + residual). Where the near side would be nearer than ν, only the far one is left.
        """
        focus, nearest = (lens_px[:, k].view(-1, 1, 1, 1).expand_as(defocus.coc_px) for k in (0, 1))
        hints = _hints(defocus, focus, nearest)
        used = torch.cat([defocus.features, F.relu(self.squeeze(defocus.hidden)), hints], 1)
        side, residual, scale = self.head(self.unet(used)).float().split(1, 1)
        signed_coc = _side(torch.tanh(side + 1.0), nearest - focus - defocus.coc_px) * defocus.coc_px
        u = F.softplus(focus - signed_coc + 4.0 * residual)
        return InverseDepth(u, F.softplus(scale) + SMALLEST_SCALE_PX + EDGE_SHARE * _edge_height(u.detach()))


def _side(seen: Float[Tensor, "b 1 h w"], room_px: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """The side that is seen (−1 near .. 1 far) where the near side has room before ν, 1 where it has none at all."""
    possible = (1 + room_px / COC_TOLERANCE_PX).clamp(0, 1)
    return 1 - possible * (1 - seen)


def _edge_height(values: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """Largest minus smallest value around each cell."""
    highest, lowest = (
        F.max_pool2d(sign * values, EDGE_CELLS, stride=1, padding=EDGE_CELLS // 2) for sign in (1.0, -1.0)
    )
    return highest + lowest


def _hints(
    defocus: Defocus, focus: Float[Tensor, "b 1 h w"], nearest: Float[Tensor, "b 1 h w"]
) -> Float[Tensor, "b 6 h w"]:
    """φ, |CoC|, log of its scale, both inverse depths that |CoC| allows, ν beyond φ; in units of 20 px."""
    coc = defocus.coc_px
    in_px = torch.cat([focus, coc, COC_UNIT_PX * defocus.scale_px.log(), focus - coc, focus + coc], 1)
    beyond = ((nearest - focus) / COC_UNIT_PX).clamp(*NEAREST_HINT)
    return torch.cat([in_px / COC_UNIT_PX, beyond], 1)
