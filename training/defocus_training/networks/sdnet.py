"""SDNet: how blurred is every pixel? One set of weights for every frame of a stack and every lens."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .features import FEATURES, DefocusFeatures
from .unet import UNet

LARGEST_COC_PX = 32.0
SMALLEST_SCALE_PX = 0.05


class Defocus(NamedTuple):
    """At stride 4: `coc_px` |CoC| in px of the image (0..32), its Laplace scale `scale_px`, and what led to them."""

    coc_px: Float[Tensor, "b 1 h4 w4"]
    scale_px: Float[Tensor, "b 1 h4 w4"]
    hidden: Float[Tensor, "b c h4 w4"]
    features: Float[Tensor, "b f h4 w4"]


class SDNet(nn.Module):
    """Siamese defocus network (arXiv 2409.12323, section III): image to |CoC| and the scale of its error."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.features = DefocusFeatures()
        self.unet = UNet(FEATURES, widths)
        self.head = nn.Conv2d(widths[0], 2, 3, padding=1)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Defocus:
        """|CoC| of `image` (0..1); a bounded sigmoid, because a clamp would stop the gradient where it is needed."""
        features = self.features(image)
        hidden = self.unet(features)
        coc, scale = self.head(hidden).float().split(1, 1)
        return Defocus(LARGEST_COC_PX * coc.sigmoid(), F.softplus(scale) + SMALLEST_SCALE_PX, hidden, features)
