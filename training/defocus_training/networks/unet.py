"""A small U-Net of plain 3×3 convolutions over features at stride 4 (plain beats depthwise on CPUs: measured)."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class ConvBlock(nn.Sequential):
    """3×3 convolution, batch norm, ReLU."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """`x + conv(x)`: keeps the level's width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = ConvBlock(channels, channels)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Same shape as `x`."""
        return x + self.block(x)


class UNet(nn.Module):
    """Encoder and decoder with additive skips; input and output at the first level's resolution."""

    def __init__(self, channels_in: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.stem = ConvBlock(channels_in, widths[0])
        self.encoder = nn.ModuleList([Residual(widths[0])])
        self.encoder.extend(
            nn.Sequential(ConvBlock(fine, coarse, 2), Residual(coarse))
            for fine, coarse in zip(widths, widths[1:], strict=False)
        )
        self.lift = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in zip(widths, widths[1:], strict=False))
        self.decoder = nn.ModuleList(Residual(width) for width in widths[:-1])

    def forward(self, features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """`widths[0]` channels in the size of `features`."""
        x = self.stem(features)
        skips = []
        for level in self.encoder:
            x = level(x)
            skips.append(x)
        for index in reversed(range(len(self.lift))):
            skip = skips[index]
            raised = F.interpolate(self.lift[index](x), scale_factor=2.0, mode="bilinear", align_corners=False)
            x = self.decoder[index](skip + raised[..., : skip.shape[-2], : skip.shape[-1]])  # odd sizes halve upwards
        return x
