"""What the classical baselines share: luminance, sums over windows, filling of holes."""

from __future__ import annotations

import cv2
import numpy as np

from ...types import FloatArray, ImageArray

_EMPTY = np.float32(1e-6)


def luminance(image: ImageArray) -> FloatArray:
    """Encoded luminance 0..1 of an 8- or 16-bit RGB or mono image, float32 (H, W)."""
    unit = np.asarray(image / np.float32(np.iinfo(image.dtype).max), np.float32)
    return unit if unit.ndim == 2 else np.asarray(cv2.cvtColor(unit, cv2.COLOR_RGB2GRAY), np.float32)


def filled(values: FloatArray, weights: FloatArray) -> FloatArray:
    """`values` where `weights` (0..1) is 1, a smooth continuation of them where it is 0.

    Push-pull (Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.3): weighted averages are pushed to coarser
    and coarser grids and pulled back only where the finer grid has too little weight. Without any weight: zeros.
    """
    if weights.min() >= 1 or min(values.shape) == 1:
        total = float(weights.sum())
        average = float((values * weights).sum()) / total if total > _EMPTY else 0.0
        return np.where(weights >= 1, values, np.float32(average)).astype(np.float32)
    size = (values.shape[1], values.shape[0])
    coarse_weights = np.asarray(cv2.pyrDown(weights), np.float32)
    coarse_values = np.asarray(cv2.pyrDown(values * weights) / np.maximum(coarse_weights, _EMPTY), np.float32)
    below = filled(coarse_values, np.minimum(coarse_weights * 4, 1))  # pushed weights saturate, as in the paper
    pulled = cv2.pyrUp(below, dstsize=size)
    return (values * weights + pulled * (1 - weights)).astype(np.float32)
