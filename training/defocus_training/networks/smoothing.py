"""What the networks see at one place tells of places that look alike: measurements averaged along surfaces.

An edge-avoiding à-trous filter (Dammertz et al., High Performance Graphics 2010): each pass averages a place with the
four beside, above and below it, first far ones, then ever nearer ones. They count by how little their colour differs,
for surfaces end where colours do as a rule, by how sure the networks are of them, and by how well they agree for that.
There is nothing to learn in it, so it holds on pictures unlike those of training, where the networks need it most.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from defocus_depth.errors import ConfigError

from .features import STRIDE
from .looks import Measured
from .sdnet import SMALLEST_SCALE_PX

COLOUR_FLOOR = 0.1
"""Added to encoded colours 0..1 before the logarithm: what is darker is noise."""
COLOUR_SHARPNESS = 10.0
"""Places whose log colours differ by 1/this count e times less."""
TOLERANCE = 0.3
"""Places that differ by this times the sum of their scales count e times less: it is the unsure that are to learn."""
DISAGREEMENT = 0.5
"""Of the distance between a place and the mean it enters, what it adds to the mean's scale."""
OWN_SHARE = 0.25
"""Weight of the place itself beside each of the four around it."""
MOST_CELLS = 16
"""Of a pass's distance; one further has no neighbours in small pictures."""


def require_passes(distances: Sequence[int]) -> None:
    """Refuse distances that no pass can have.

    Raises:
        ConfigError: one is not in 1..16 cells.
    """
    if any(not 1 <= distance <= MOST_CELLS for distance in distances):
        given = " ".join(map(str, distances))
        raise ConfigError(f"smoothing: expected distances of 1 to {MOST_CELLS} cells, got {given}")


def log_colours(image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h4 w4"]:
    """By which places are told apart: at stride 4, of `image` (0..1, encoded)."""
    return (F.avg_pool2d(image, STRIDE) + COLOUR_FLOOR).log()


def smoothed(
    quantities: Sequence[Measured], colours: Float[Tensor, "b 3 h4 w4"], distances: Sequence[int]
) -> tuple[Measured, ...]:
    """Each of `quantities` after a pass at each of the distances (cells of 4 px), in their order.

    The places j at distance r from i weigh w = exp(−10·‖Δ ln colour‖ − |Δu|/0.3(b_i + b_j))/(b_j·√r), i itself 1/4b_i:
    u' = Σ w·u / Σ w and b' = Σ w·(b + ½|u − u'|) / Σ w.
    """
    if not distances:
        return tuple(quantities)
    together = Measured(*(torch.cat(planes, 1) for planes in zip(*quantities, strict=True)))
    for distance in distances:
        together = _pass(together, colours, distance)
    return tuple(Measured(*planes) for planes in zip(*(plane.split(1, 1) for plane in together), strict=True))


def _pass(measured: Measured, colours: Tensor, distance: int) -> Measured:
    channels = measured.location_px.shape[1]
    around = _around(torch.cat([*measured, colours], 1), distance)
    locations, scales, theirs = around.split([channels, channels, colours.shape[1]], 2)
    away = COLOUR_SHARPNESS * (theirs - colours.unsqueeze(1)).square().sum(2, keepdim=True).sqrt()
    apart = (locations - measured.location_px.unsqueeze(1)).abs() / (scales + measured.scale_px.unsqueeze(1))
    alike = torch.exp(-away - apart / TOLERANCE) * distance**-0.5
    # Beyond the picture's borders the scale is 0, which tells that there is nothing.
    weights = torch.where(scales > 0, alike / scales.clamp_min(SMALLEST_SCALE_PX), 0.0)
    own = OWN_SHARE / measured.scale_px
    total = weights.sum(1) + own
    mean = ((weights * locations).sum(1) + own * measured.location_px) / total
    widths = scales + DISAGREEMENT * (locations - mean.unsqueeze(1)).abs()
    own_width = measured.scale_px + DISAGREEMENT * (measured.location_px - mean).abs()
    return Measured(mean, ((weights * widths).sum(1) + own * own_width) / total)


def _around(planes: Float[Tensor, "b c h w"], distance: int) -> Float[Tensor, "b 4 c h w"]:
    """The values `distance` cells above, below, left and right; 0 beyond the borders."""
    inside = slice(distance, -distance)
    padded = F.pad(planes, [distance] * 4)
    above, below = (padded[..., rows, inside] for rows in (slice(None, -2 * distance), slice(2 * distance, None)))
    left, right = (padded[..., inside, columns] for columns in (slice(None, -2 * distance), slice(2 * distance, None)))
    return torch.cat([above, below, left, right], 1).unflatten(1, (4, planes.shape[1]))
