"""One estimate from several frames of a static scene, taken at different focus distances.

At every pixel each frame says two things of the inverse depth u: DepthNet's û with its Laplace scale b, and SDNet's
|CoC|, which |G·(F − u)| should be; the latter knows no sign, but frames at different foci resolve it. Their robust
negative log-likelihoods are added over a list of hypotheses:

    E(u) = ½ Σ min(|u − û|/b + ln b, C) + ½ Σ min(||G·(F − u)| − c|/σ(c) + ln σ(c), C) + P·[u > every F]

and the fused u is the median of exp(−E). P, because sweeps begin nearer than the scene as a rule. C bounds what one
frame can say, so that frames that are wrong (sign, motion) are outvoted; ½, because frames of one scene err alike.
Precise frames count more through b. The result's scale and confidence come from exp(−E·TEMPER): what the frames have in
common, they all have wrong together.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numba import njit

from ..errors import ConfigError
from ..optics import coc_from_inverse_depth
from ..types import DepthEstimate, FloatArray

HYPOTHESES = 96
MOST_COST = 4.0  # C
NEARER_COST, NEARER = 4.0, 1.02  # P, and how many times the largest F counts as nearer than it
COC_SCALE_PX, COC_SCALE_SHARE = 0.6, 0.15  # σ(c) = 0.6 px + 0.15·c: SDNet's error, as measured on validation stacks
TEMPER = 0.35  # by which mean confidence matches the measured share within 1.25
FARTHEST_DPT = 0.05  # u of the farthest hypothesis, where no frame says farther
MOST_OF_NEAREST_FOCUS = 2.0  # u of the nearest hypothesis is at most this often the largest F
WITHIN = 1.25


def fuse_estimates(estimates: Sequence[DepthEstimate], target: int = 0) -> DepthEstimate:
    """The estimates of registered frames of one static scene as one, for the frame `target`.

    Every estimate counts as a view of its own: views taken twice are left out before (`fusion_window.same_focus`).

    Returns:
        A single estimate as it is. Of several: depth, Laplace scale and confidence of all frames together; CoC for the
        target's lens and focus, whose SDNet map it keeps.

    Raises:
        ConfigError: no estimates, maps of different sizes, or metric and relative estimates together.
    """
    _check(estimates)
    at = estimates[target]
    if len(estimates) == 1:
        return at
    frames = tuple(
        np.ascontiguousarray(np.stack([getattr(one, name) for one in estimates], -1), np.float32)
        for name in ("depth_m", "inv_depth_scale_dpt", "defocus_px")
    )
    optics = np.array([(one.blur_gain_px_per_dpt, one.focus_dpt) for one in estimates], np.float32)
    with np.errstate(divide="ignore"):
        inverse = np.where(frames[0] > 0, np.reciprocal(frames[0]), np.float32(0))
    hypotheses = _hypotheses(inverse, optics[:, 1])
    prior = np.where(hypotheses > NEARER * optics[:, 1].max(), np.float32(NEARER_COST), np.float32(0))
    fused = _fuse(inverse, frames[1], frames[2], optics, (hypotheses, prior))
    depth_m = np.reciprocal(fused[..., 0])
    coc_px = coc_from_inverse_depth(fused[..., 0], at.blur_gain_px_per_dpt, at.focus_dpt)
    return dataclasses.replace(
        at,
        depth_m=depth_m,
        coc_px=coc_px.astype(np.float32),
        inv_depth_scale_dpt=np.ascontiguousarray(fused[..., 1]),
        confidence=np.ascontiguousarray(fused[..., 2]),
    )


def _check(estimates: Sequence[DepthEstimate]) -> None:
    if not estimates:
        raise ConfigError("fusion: expected at least one estimate, got none")
    shapes = {one.depth_m.shape for one in estimates}
    if len(shapes) != 1:
        raise ConfigError(f"fusion: expected maps of one size, got {sorted(shapes)}")
    if len({one.metric for one in estimates}) != 1:
        raise ConfigError("fusion: expected estimates that are all metric or all relative, got both")


def _hypotheses(inverse_dpt: FloatArray, foci_dpt: FloatArray) -> FloatArray:
    """Evenly in inverse depth, over all that the frames say, and around their focus planes."""
    known = inverse_dpt[np.isfinite(inverse_dpt) & (inverse_dpt > 0)]
    nearest = max(float(np.quantile(known, 0.999)) if known.size else 0.0, float(foci_dpt.max()), FARTHEST_DPT)
    nearest = min(nearest, MOST_OF_NEAREST_FOCUS * max(float(foci_dpt.max()), FARTHEST_DPT))
    farthest = min(float(np.quantile(known, 0.001)) if known.size else FARTHEST_DPT, nearest / 2)
    return np.linspace(max(0.9 * farthest, 1e-3 * nearest), 1.05 * nearest, HYPOTHESES, dtype=np.float32)


@njit(nogil=True, cache=True, error_model="numpy")
def _fuse(inverse, scale, defocus, optics, choices):  # noqa: ANN001, ANN202
    """u, Laplace scale of u and confidence, float32 (H, W, 3); `choices`: hypotheses and what each costs beforehand."""
    hypotheses, prior = choices
    height, width, frames = inverse.shape
    fused = np.empty((height, width, 3), np.float32)
    cost = np.empty(len(hypotheses), np.float32)
    for y in range(height):
        for x in range(width):
            cost[:] = prior
            for i in range(frames):
                b, c = scale[y, x, i], defocus[y, x, i]
                sigma = np.float32(COC_SCALE_PX) + np.float32(COC_SCALE_SHARE) * c
                if not (b > 0 and c >= 0 and np.isfinite(inverse[y, x, i])):
                    continue
                _add_frame(cost, hypotheses, (inverse[y, x, i], b, np.log(b)), (c, sigma, np.log(sigma)), optics[i])
            fused[y, x, 0] = _median(cost, hypotheses)
            fused[y, x, 1], fused[y, x, 2] = _spread(cost, hypotheses, fused[y, x, 0])
    return fused


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "arcp", "nsz"})
def _add_frame(cost, hypotheses, by_depth, by_blur, optics):  # noqa: ANN001, ANN202
    u_hat, b, ln_b = by_depth
    c, sigma, ln_sigma = by_blur
    most = np.float32(MOST_COST)
    for k in range(len(hypotheses)):
        u = hypotheses[k]
        blur = abs(abs(optics[0] * (optics[1] - u)) - c) / sigma + ln_sigma
        cost[k] += np.float32(0.5) * (min(abs(u - u_hat) / b + ln_b, most) + min(blur, most))


@njit(nogil=True, cache=True, error_model="numpy")
def _median(cost, hypotheses):  # noqa: ANN001, ANN202
    """Median of exp(−cost), between the hypotheses."""
    least, total = cost.min(), 0.0
    for k in range(len(cost)):
        total += np.exp(least - cost[k])
    below = 0.0
    for k in range(len(cost)):
        share = np.exp(least - cost[k]) / total
        if below + share >= 0.5:
            step = hypotheses[1] - hypotheses[0]
            return max(hypotheses[k] + step * ((0.5 - below) / share - 0.5), hypotheses[0])
        below += share
    return hypotheses[-1]


@njit(nogil=True, cache=True, error_model="numpy")
def _spread(cost, hypotheses, u):  # noqa: ANN001, ANN202
    """Mean |u' − u|, which is a Laplace distribution's scale, and the probability within a factor of u."""
    least, total, away, near = cost.min(), 0.0, 0.0, 0.0
    for k in range(len(cost)):
        weight = np.exp(TEMPER * (least - cost[k]))
        total += weight
        away += weight * abs(hypotheses[k] - u)
        if u / WITHIN < hypotheses[k] < u * WITHIN:
            near += weight
    return away / total, near / total
