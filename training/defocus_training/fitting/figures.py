"""Figures of a fit for machines; ground truth is looked at here only, to report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from defocus_depth.evaluation.baselines.pixels import luminance
from defocus_depth.evaluation.metrics import abs_rel, delta, is_depth
from defocus_depth.image_files import read_image
from defocus_depth.stacks import load_ground_truth
from defocus_depth.types import FloatArray, FocalStack, ImageArray

from .judge import Fit
from .registration import corner_shift_px

TEXTURED_DEVIATION, TEXTURED_WINDOW_PX = 0.02, 9


def textured(sharp: ImageArray) -> npt.NDArray[np.bool_]:
    """Where the encoded luminance (0..1) of a sharp picture deviates by 0.02 or more in 9×9 pixels, (H, W)."""
    values = luminance(sharp).astype(np.float64)
    window = (TEXTURED_WINDOW_PX, TEXTURED_WINDOW_PX)
    mean = cv2.blur(values, window)
    variance = cv2.blur(values**2, window) - mean**2
    return np.sqrt(np.maximum(variance, 0)) >= TEXTURED_DEVIATION


def fit_figures(fit: Fit) -> dict[str, Any]:
    """What the fit found out and how well it explains the frames, without ground truth."""
    size = fit.inverse_depth.shape
    figures: dict[str, Any] = {
        "name": fit.stack.name,
        "metric": fit.stack.metric,
        "frames": len(fit.frames),
        "working_width_px": size[1],
        "working_height_px": size[0],
        "psnr_db": fit.psnr_db,
        "mean_confidence": float(fit.confidence.mean()),
        "exposure": fit.registration.exposure.tolist(),
        "corner_shift_px": [corner_shift_px(affine, size) for affine in fit.registration.from_reference],
        "held_out": [vars(one) for one in fit.held_out],
    }
    if not fit.stack.metric:
        figures["gain_px_per_unit"] = float(fit.gain_px_per_dpt[0] * fit.reduction)
        figures["focus_coordinate"] = fit.focus_dpt.tolist()
    return figures


def truth_figures(stack: FocalStack, depth_m: FloatArray, all_in_focus: ImageArray) -> dict[str, float] | None:
    """AbsRel and δ1 over all and over textured pixels; None where the stack has no ground truth,
    or none on texture.

    Texture is that of the sharp picture that the stack's source names, else of the fit's.
    """
    truth_m = load_ground_truth(stack) if stack.metric else None
    if truth_m is None:
        return None
    known = is_depth(truth_m)
    chosen = known & textured(_sharp(stack, all_in_focus))
    if not chosen.any():
        return None
    return {
        "abs_rel": abs_rel(depth_m[known], truth_m[known]),
        "delta1": delta(depth_m[known], truth_m[known]),
        "abs_rel_textured": abs_rel(depth_m[chosen], truth_m[chosen]),
        "delta1_textured": delta(depth_m[chosen], truth_m[chosen]),
        "textured_fraction": float(chosen.sum() / known.sum()),
    }


def _sharp(stack: FocalStack, otherwise: ImageArray) -> ImageArray:
    name = stack.source.get("sharp")
    path = stack.path / Path(str(name)).name if name else None
    if path is None or not path.exists():
        return otherwise
    sharp = read_image(path)
    return sharp if sharp.shape[:2] == otherwise.shape[:2] else otherwise
