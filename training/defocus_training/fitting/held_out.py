"""How well a fit predicts frames that it has not seen, beside what their neighbours alone would say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from defocus_depth.optics import from_linear
from defocus_depth.types import FloatArray, Transfer

from .views import Views


@dataclass(frozen=True)
class HeldOut:
    """PSNR (dB, of encoded values 0..1) of a frame left out: as rendered from the fit, and as interpolated.

    The interpolation is linear in focus between the nearest fitted frames on both sides (one of them at the ends of
    the sweep), in linear light. Both are compared over the pixels that the frame and the rendering both see.
    """

    frame: int
    psnr_db: float
    interpolated_psnr_db: float


def interpolated(fitted: Views, focus_dpt: float) -> FloatArray:
    """The picture at a focus as the fitted frames on both sides of it say, linear radiance (H, W, 3)."""
    order = np.argsort(fitted.focus_dpt)
    place = float(np.interp(focus_dpt, fitted.focus_dpt[order], np.arange(len(order))))
    below = min(int(place), len(order) - 1)
    above = min(below + 1, len(order) - 1)
    share = np.float32(place - below)
    return fitted.frames[order[below]] * (1 - share) + fitted.frames[order[above]] * share


def psnr_db(picture: FloatArray, truth: FloatArray, counted: FloatArray, transfer: Transfer) -> float:
    """PSNR of encoded values over the pixels where `counted` (H, W) is 1; the pictures (H, W, 3) are linear."""
    first, second = (from_linear(np.clip(values, 0, 1), transfer) for values in (picture, truth))
    error = ((first - second) ** 2)[counted > 0].mean()
    return float(-10 * np.log10(max(float(error), 1e-12)))
