"""What the sweep measures on pictures: sharpness, brightness, shift and similarity between two of them."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import numpy.typing as npt

from defocus_depth.optics import from_linear, to_linear
from defocus_depth.types import FloatArray, ImageArray, Transfer

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
_ANALYSIS_WIDTH_PX = 320  # wide pictures are measured at about this width
_EDGE_SMOOTHING_PX = 1.0


def linear_pixels(pixels: ImageArray, transfer: Transfer) -> FloatArray:
    """Radiance in 0..1, float32 of the picture's shape."""
    return _linear_levels(pixels.dtype.str, transfer)[pixels]


def encoded_pixels(radiance: FloatArray, transfer: Transfer, dtype: npt.DTypeLike) -> ImageArray:
    """Inverse of `linear_pixels`: uint8 or uint16, rounded."""
    most = np.iinfo(dtype).max
    encoded = from_linear(np.clip(radiance, 0, 1), transfer)
    return np.rint(encoded * most).astype(dtype)


def small_luminance(linear: FloatArray) -> FloatArray:
    """Linear luminance, float32 (h, w), reduced to about 320 px width by whole factors."""
    grey = linear @ LUMINANCE if linear.ndim == 3 else linear
    factor = max(1, round(grey.shape[1] / _ANALYSIS_WIDTH_PX))
    size = (grey.shape[1] // factor, grey.shape[0] // factor)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA) if factor > 1 else grey, np.float32)


def sharpness(luminance: FloatArray) -> float:
    """Energy of the gradient over the squared mean (Tenengrad; Krotkov, "Focusing", IJCV 1988): no unit, ≥ 0."""
    smooth = cv2.GaussianBlur(luminance, (0, 0), _EDGE_SMOOTHING_PX)
    energy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(smooth, cv2.CV_32F, 0, 1) ** 2
    return float(energy.mean() / max(1e-12, float(smooth.mean()) ** 2))


def brightness(luminance: FloatArray) -> float:
    """Mean luminance of the picture without its border, where focusing brings other things into view."""
    height, width = luminance.shape
    return float(luminance[height // 10 : -height // 10, width // 10 : -width // 10].mean())


def shift_px(first: FloatArray, second: FloatArray) -> tuple[float, float]:
    """How far `second` is moved against `first` (x, y), by phase correlation under a Hann window."""
    window = cv2.createHanningWindow(first.shape[::-1], cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(first - first.mean(), second - second.mean(), window)
    return float(x), float(y)


@functools.cache
def _linear_levels(dtype: str, transfer: Transfer) -> FloatArray:
    most = np.iinfo(np.dtype(dtype)).max
    return to_linear(np.arange(most + 1) / most, transfer).astype(np.float32)
