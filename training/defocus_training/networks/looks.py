"""One picture looked at in several sizes: edges are seen best in a large one, strong blur in a small one.

A network that has learned pictures of one size is a slightly different network on the same picture made smaller. The
looks are fused as measurements of one quantity are, by the inverse square of their Laplace scales; where they disagree,
the fused scale says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from defocus_depth.errors import ConfigError


class Measured(NamedTuple):
    """A quantity in px at stride 4 that is Laplace-distributed: location and scale > 0."""

    location_px: Float[Tensor, "b 1 h4 w4"]
    scale_px: Float[Tensor, "b 1 h4 w4"]


def smaller(image: Float[Tensor, "b 3 h w"], ratio: float) -> Float[Tensor, "b 3 hs ws"]:
    """`image` in `ratio` times its size, a multiple of 1/8 in [½, 1]: bilinear is then nearly an area's mean."""
    return image if ratio == 1 else F.interpolate(image, scale_factor=ratio, mode="bilinear", align_corners=False)


def as_in_full_size(measured: Measured, ratio: float, full: tuple[int, int]) -> Measured:
    """Px of a picture `ratio` times as large as px of the picture, on its grid of `full` cells (rows, columns)."""
    if ratio == 1:
        return measured
    return Measured(
        *(F.interpolate(values / ratio, size=full, mode="bilinear", align_corners=False) for values in measured)
    )


def require_looks(ratios: Sequence[float]) -> None:
    """Refuse sizes that the networks cannot look in.

    Raises:
        ConfigError: there are none, or one is not a multiple of 1/8 in [½, 1].
    """
    if not ratios or any(8 * ratio not in range(4, 9) for ratio in ratios):
        raise ConfigError(f"looks: expected multiples of 1/8 from 0.5 to 1, got {' '.join(map(str, ratios)) or 'none'}")


def fuse(looks: Sequence[Measured]) -> Measured:
    """Mean weighted by 1/scale²; its scale is the looks' mean scale and mean distance from it, weighted alike."""
    if len(looks) == 1:
        return looks[0]
    weights = [look.scale_px.square().reciprocal() for look in looks]
    total = _sum(weights)
    location = _sum([weight * look.location_px for weight, look in zip(weights, looks, strict=True)]) / total
    widths = [look.scale_px + (look.location_px - location).abs() for look in looks]
    return Measured(location, _sum([weight * width for weight, width in zip(weights, widths, strict=True)]) / total)


def _sum(values: Sequence[Tensor]) -> Tensor:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total
