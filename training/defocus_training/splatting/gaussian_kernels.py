"""Numba loops for Gaussian splats anywhere in the picture: compositing by alpha and by coverage, with backward.

A splat is round: standard deviation σ and peak weight p, so that its weight at distance r is p·exp(−r²/2σ²).

Alpha follows gsplat's rasteriser to the letter: α is capped at ALPHA_MAX, ignored below ALPHA_MIN, and a pixel is
finished before the splat that would leave less than OPEN_MIN of it. w_i = α_i·T_i with T_i = Π_{j<i} (1 − α_j).
With q_i = Σ_c G_c·c_ic − H for pixel gradients G (colour) and H, ∂L/∂α_i = T_i·q_i − (Σ_{j>i} w_j·q_j)/(1 − α_i).

Coverage takes w = min(α, what is left of 1), as in `pixel_kernels`. Its weight is p·(exp(−r²/2σ²) − exp(−a²/2))·c
inside a = WINDOW_SIGMAS, with c such that the window costs no energy: it falls to 0 at its rim, so that nothing is lost
when the rim moves with σ. A hard cut there would bias the gradient by σ, and with it the depth gradient.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .pixel_kernels import NEVER

ALPHA_MAX = np.float32(0.999)
ALPHA_MIN = np.float32(1 / 255)
OPEN_MIN = np.float32(1e-4)
WINDOW_SIGMAS = 3.0
WINDOW_FLOOR = math.exp(-(WINDOW_SIGMAS**2) / 2)
WINDOW_SCALE = 1 / (1 - WINDOW_FLOOR * (1 + WINDOW_SIGMAS**2 / 2))
_FAST = {"contract", "arcp", "nsz"}


@njit(nogil=True, cache=True, error_model="numpy")
def _alpha_reach(sigma, peak):
    """Distance at which a splat's alpha falls to ALPHA_MIN; negative if it never reaches it."""
    return sigma * math.sqrt(2 * math.log(peak / ALPHA_MIN)) if peak > ALPHA_MIN else -1.0


@njit(nogil=True, cache=True, error_model="numpy")
def _bounds(centre, reach, low, high):
    return max(low, math.ceil(centre - reach)), min(high, math.floor(centre + reach) + 1)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_FAST)
def alpha_forward(order, splats, totals, open_share, finished):
    """Composite one picture by alpha.

    Args:
        order: int64 (N,), front to back.
        splats: x, y, σ, peak, float32 (N,) each; colour float32 (N, 3).
        totals: float32 (H, W, 4), starts at 0; gets Σ w·colour and Σ w.
        open_share: float32 (H, W), starts at 1; gets T after the last splat.
        finished: int32 (H, W), starts at NEVER; gets the place in the order from which a pixel takes no more.
    """
    xs, ys, sigmas, peaks, colours = splats
    height, width = finished.shape
    for place in range(len(order)):
        n = order[place]
        reach = _alpha_reach(sigmas[n], peaks[n])
        if reach < 0:
            continue
        falloff = np.float32(-0.5) / (sigmas[n] * sigmas[n])
        top, bottom = _bounds(ys[n], reach, 0, height)
        left, right = _bounds(xs[n], reach, 0, width)
        for row in range(top, bottom):
            for column in range(left, right):
                if finished[row, column] != NEVER:
                    continue
                dx, dy = np.float32(column) - xs[n], np.float32(row) - ys[n]
                alpha = min(ALPHA_MAX, peaks[n] * np.exp(falloff * (dx * dx + dy * dy)))
                if alpha < ALPHA_MIN:
                    continue
                share = open_share[row, column]
                left_open = share * (np.float32(1) - alpha)
                if left_open <= OPEN_MIN:
                    finished[row, column] = place
                    continue
                weight = alpha * share
                for c in range(3):
                    totals[row, column, c] += weight * colours[n, c]
                totals[row, column, 3] += weight
                open_share[row, column] = left_open


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_FAST)
def alpha_backward(order, splats, pulls, finished, state, gradients):
    """Gradients of one picture by alpha: walks front to back once more.

    Args:
        order, splats: as in `alpha_forward`.
        pulls: float32 (H, W, 4): G of each channel, then H.
        finished: as `alpha_forward` left it.
        state: float32 (H, W, 2): T starts at 1; Σ w·q of the splats still to come starts at that of all.
        gradients: by colour (N, 3), σ (N,), peak (N,); added to.
    """
    xs, ys, sigmas, peaks, colours = splats
    by_colour, by_sigma, by_peak = gradients
    height, width = finished.shape
    for place in range(len(order)):
        n = order[place]
        reach = _alpha_reach(sigmas[n], peaks[n])
        if reach < 0:
            continue
        falloff = np.float32(-0.5) / (sigmas[n] * sigmas[n])
        top, bottom = _bounds(ys[n], reach, 0, height)
        left, right = _bounds(xs[n], reach, 0, width)
        for row in range(top, bottom):
            for column in range(left, right):
                if finished[row, column] <= place:
                    continue
                dx, dy = np.float32(column) - xs[n], np.float32(row) - ys[n]
                square = dx * dx + dy * dy
                shape = np.exp(falloff * square)
                alpha = min(ALPHA_MAX, peaks[n] * shape)
                if alpha < ALPHA_MIN:
                    continue
                share = state[row, column, 0]
                weight = alpha * share
                change = -pulls[row, column, 3]
                for c in range(3):
                    change += pulls[row, column, c] * colours[n, c]
                    by_colour[n, c] += weight * pulls[row, column, c]
                to_come = state[row, column, 1] - weight * change
                state[row, column, 0] = share * (np.float32(1) - alpha)
                state[row, column, 1] = to_come
                if peaks[n] * shape <= ALPHA_MAX:
                    by_alpha = share * change - to_come / (np.float32(1) - alpha)
                    by_peak[n] += by_alpha * shape
                    by_sigma[n] += by_alpha * alpha * square / (sigmas[n] ** 3)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_FAST)
def coverage_forward(order, splats, totals, closed_by, closing_weight):
    """Composite one picture by coverage; arguments as in `alpha_forward` and `pixel_kernels.splat_rows`."""
    xs, ys, sigmas, peaks, colours = splats
    height, width = closed_by.shape
    for place in range(len(order)):
        n = order[place]
        reach = WINDOW_SIGMAS * sigmas[n]
        falloff = np.float32(-0.5) / (sigmas[n] * sigmas[n])
        top, bottom = _bounds(ys[n], reach, 0, height)
        left, right = _bounds(xs[n], reach, 0, width)
        for row in range(top, bottom):
            for column in range(left, right):
                if closed_by[row, column] != NEVER:
                    continue
                dx, dy = np.float32(column) - xs[n], np.float32(row) - ys[n]
                shape = (np.exp(falloff * (dx * dx + dy * dy)) - WINDOW_FLOOR) * WINDOW_SCALE
                if shape <= 0:
                    continue
                weight, remains = peaks[n] * np.float32(shape), np.float32(1) - totals[row, column, 3]
                if weight >= remains:
                    weight = remains
                    closed_by[row, column] = place
                    closing_weight[row, column] = remains
                for c in range(3):
                    totals[row, column, c] += weight * colours[n, c]
                totals[row, column, 3] += weight


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_FAST)
def coverage_backward(places, splats, pulls, closing, gradients):
    """Gradients of one picture by coverage; arguments as in `alpha_backward` and `pixel_kernels.gather_gradients`."""
    xs, ys, sigmas, peaks, colours = splats
    by_colour, by_sigma, by_peak = gradients
    closed_by, closing_weight = closing
    height, width = closed_by.shape
    for n in range(len(places)):
        reach = WINDOW_SIGMAS * sigmas[n]
        falloff = np.float32(-0.5) / (sigmas[n] * sigmas[n])
        top, bottom = _bounds(ys[n], reach, 0, height)
        left, right = _bounds(xs[n], reach, 0, width)
        for row in range(top, bottom):
            for column in range(left, right):
                closer = closed_by[row, column]
                if closer < places[n]:
                    continue
                dx, dy = np.float32(column) - xs[n], np.float32(row) - ys[n]
                square = dx * dx + dy * dy
                bell = np.exp(falloff * square)
                shape = np.float32((bell - WINDOW_FLOOR) * WINDOW_SCALE)
                if shape <= 0:
                    continue
                weight = peaks[n] * shape
                change = -pulls[row, column, 3]
                for c in range(3):
                    change += pulls[row, column, c] * colours[n, c]
                if closer == places[n]:
                    weight = closing_weight[row, column]
                else:
                    by_peak[n] += change * shape
                    by_sigma[n] += change * peaks[n] * WINDOW_SCALE * bell * square / (sigmas[n] ** 3)
                for c in range(3):
                    by_colour[n, c] += weight * pulls[row, column, c]
