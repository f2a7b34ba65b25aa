"""The paper's *defocus* loss: both images of a pair must imply one depth."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def defocus_loss(
    coc_first_px: Float[Tensor, "b 1 h w"],
    coc_second_px: Float[Tensor, "b 1 h w"],
    focus_px: Float[Tensor, "b 2"],
    first_sign: Float[Tensor, "b 1 1 1"],
) -> Float[Tensor, ""]:
    """|CoC| of the second frame against what the first one's implies (arXiv 2409.12323, eq. 8, in signed form).

    Where the first frame's blur has one sign s (focused nearer than the scene: +1, farther: −1), u = φ₁ − s·c₁ and the
    second frame's |CoC| must be |φ₂ − u|. Pairs with `first_sign` 0 say nothing and count nothing.
    """
    first, second = (focus_px[:, k].view(-1, 1, 1, 1) for k in (0, 1))
    implied = (second - (first - first_sign * coc_first_px)).abs()
    usable = first_sign.abs()
    return (usable * (implied - coc_second_px).abs()).mean() / usable.mean().clamp_min(1e-6)
