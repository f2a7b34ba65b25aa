"""Numba loops that splat pixel-sized points front to back by coverage, and their hand-written backward.

Every pixel can take a total coverage of 1. A splat of weight α takes w = min(α, what is left), and

    image = Σ w·colour / Σ w.

Backward: let splat k be the one that closes a pixel (it gets less than its α, later ones get nothing), g the gradient
of the image there, and q_i = g·(c_i − ref) / Σw. For i in front of k, ∂L/∂α_i = q_i with ref = c_k, because what i
adds is taken from k; for k itself it is 0. In a pixel that never closes ref is the image. Knowing k and w_k per pixel,
the backward needs no order: each splat gathers over its own footprint, so splats can be shared among threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit

NEVER = np.int32(2**31 - 1)
CHANNELS = 3
SMALLEST = np.float32(1e-30)  # coverage of a pixel that nothing reaches
_MATH = {"contract", "arcp", "nsz"}


@njit(nogil=True, cache=True, error_model="numpy")
def _entry(coc_px, step_px, count):
    """Table entry and fraction of a signed CoC."""
    steps = min(abs(coc_px) / step_px, count - 1e-4)
    index = int(steps)
    return index + (count if coc_px < 0 else 0), np.float32(steps - index)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_MATH)
def splat_rows(table, order, splats, rows, totals, closed_by, closing_weight):
    """Splat the picture's rows [rows[0], rows[1]).

    Args:
        table: (base, slope, offset, half, span, span_offset, count, step_px) of a KernelTable.
        order: int64 (N,), splats front to back.
        splats: flat pixel index int64 (N,), colour float32 (N, 3), signed CoC px float32 (N,), opacity float32 (N,).
        totals: float32 (H, W, 4), starts at 0; gets Σ w·colour and Σ w.
        closed_by: int32 (H, W), starts at NEVER; gets the place in the order of the closing splat.
        closing_weight: float32 (H, W); gets that splat's w.
    """
    base, slope, offset, half, span, span_offset, count, step_px = table
    pixels, colours, cocs, opacities = splats
    width = totals.shape[1]
    for place in range(len(order)):
        n = order[place]
        y, x = pixels[n] // width, pixels[n] % width
        if opacities[n] <= 0:
            continue
        entry, fraction = _entry(cocs[n], step_px, count)
        reach = half[entry]
        if y + reach < rows[0] or y - reach >= rows[1]:
            continue
        gain, red, green, blue = opacities[n], colours[n, 0], colours[n, 1], colours[n, 2]
        for row in range(max(rows[0], y - reach), min(rows[1], y + reach + 1)):
            line = row - y + reach
            wide = span[span_offset[entry] + line]
            cell = offset[entry] + line * (2 * reach + 1) + reach - x
            total, closers = totals[row], closed_by[row]
            for column in range(max(0, x - wide), min(width, x + wide + 1)):
                if closers[column] != NEVER:
                    continue
                taken = total[column, 3]
                left = np.float32(1) - taken
                weight = gain * (base[cell + column] + fraction * slope[cell + column])
                if weight >= left:
                    weight = left
                    closers[column] = place
                    closing_weight[row, column] = left
                total[column, 0] += weight * red
                total[column, 1] += weight * green
                total[column, 2] += weight * blue
                total[column, 3] = taken + weight


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_MATH | {"reassoc"})
def gather_gradients(table, places, splats, which, pulls, closing, gradients):
    """Add one picture's gradients of the splats [which[0], which[1]).

    Args:
        table, splats: as in `splat_rows`.
        places: int32 (N,), each splat's place in the order.
        pulls: float32 (H, W, 4): g/Σw of each channel, then g·ref/Σw.
        closing: (closed_by, closing_weight) of `splat_rows`.
        gradients: by colour (N, 3), CoC (N,), opacity (N,); added to.
    """
    base, slope, offset, half, span, span_offset, count, step_px = table
    pixels, colours, cocs, opacities = splats
    closed_by, closing_weight = closing
    by_colour, by_coc, by_opacity = gradients
    height, width = closed_by.shape
    for n in range(which[0], which[1]):
        y, x = pixels[n] // width, pixels[n] % width
        place = places[n]
        entry, fraction = _entry(cocs[n], step_px, count)
        reach = half[entry]
        gain, red, green, blue = opacities[n], colours[n, 0], colours[n, 1], colours[n, 2]
        by_kernel, by_size = np.float32(0), np.float32(0)
        by_red, by_green, by_blue = np.float32(0), np.float32(0), np.float32(0)
        for row in range(max(0, y - reach), min(height, y + reach + 1)):
            line = row - y + reach
            wide = span[span_offset[entry] + line]
            cell = offset[entry] + line * (2 * reach + 1) + reach - x
            pull, closers = pulls[row], closed_by[row]
            for column in range(max(0, x - wide), min(width, x + wide + 1)):
                if closers[column] < place:
                    continue
                kernel = base[cell + column] + fraction * slope[cell + column]
                weight = gain * kernel
                if closers[column] == place:
                    weight = closing_weight[row, column]
                else:
                    change = pull[column, 0] * red + pull[column, 1] * green + pull[column, 2] * blue - pull[column, 3]
                    by_kernel += change * kernel
                    by_size += change * slope[cell + column]
                by_red += weight * pull[column, 0]
                by_green += weight * pull[column, 1]
                by_blue += weight * pull[column, 2]
        by_colour[n, 0] += by_red
        by_colour[n, 1] += by_green
        by_colour[n, 2] += by_blue
        by_opacity[n] += by_kernel
        if abs(cocs[n]) < count * step_px:
            by_coc[n] += gain * by_size * np.sign(cocs[n]) / step_px


@njit(nogil=True, cache=True, error_model="numpy", fastmath=_MATH)
def pull_pixels(by_image, totals, closed_by, order, colours, pulls):
    """Per-pixel part of one picture's backward.

    Args:
        by_image: float32 (3, H, W), gradient g of the image.
        totals, closed_by, order, colours: as `splat_rows` took and left them.
        pulls: float32 (H, W, 4); gets g/Σw of each channel, then g·ref/Σw.
    """
    height, width = closed_by.shape
    for row in range(height):
        for column in range(width):
            total = totals[row, column]
            scale = np.float32(1) / max(total[CHANNELS], SMALLEST)
            along = np.float32(0)
            for c in range(CHANNELS):
                pull = by_image[c, row, column] * scale
                reference = total[c] * scale
                if closed_by[row, column] != NEVER:
                    reference = colours[order[closed_by[row, column]], c]
                pulls[row, column, c] = pull
                along += pull * reference
            pulls[row, column, CHANNELS] = along
