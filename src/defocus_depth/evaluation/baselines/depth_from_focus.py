"""Depth from focus by the sum-modified Laplacian: needs all frames of a stack, gives depth where there is texture.

S. K. Nayar and Y. Nakagawa, "Shape from Focus", IEEE TPAMI 16(8), 1994.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ...errors import ConfigError
from ...types import FloatArray, ImageArray
from .pixels import filled, luminance

_SECOND_DIFFERENCE = np.array([[-1.0, 2.0, -1.0]], np.float32)
_FLOOR = 1e-9


@dataclass(frozen=True)
class DepthFromFocusConfig:
    """How focus is measured.

    Attributes:
        window_fraction: side of the summing window over the image's width.
        least_reach_px: from the window's centre to its side, in small images: fewer pixels do not average noise.
        smoothing_px: σ of the Gaussian that takes noise off before the Laplacian.
        contrast: focus measure of the sharpest frame over that of the blurriest, from which a pixel counts as
            textured; noise alone stays below it.
        max_blur_px: blur (px) of the farthest depth in the frame of farthest focus: bounds depth at infinity focus.
    """

    window_fraction: float = 1 / 40
    least_reach_px: int = 4
    smoothing_px: float = 0.7
    contrast: float = 2.0
    max_blur_px: float = 0.5


def depth_from_focus(
    images: Sequence[ImageArray],
    focus_dpt: npt.NDArray[np.float64],
    gain_px_per_dpt: float,
    config: DepthFromFocusConfig | None = None,
) -> FloatArray:
    """Dense depth (m), float32 (H, W), of a registered focal stack.

    Args:
        images: (H, W, 3) RGB or (H, W), uint8 or uint16, registered to each other, in any order of focus.
        focus_dpt: focus (1/m) of each image, (N,).
        gain_px_per_dpt: blur gain of these images; it bounds how far a depth can be told from infinity.

    Textureless pixels are filled in from their surroundings, in inverse depth.

    Raises:
        ConfigError: fewer than 2 different focus distances, or numbers of images and foci that differ.
    """
    config = config or DepthFromFocusConfig()
    if len(images) != len(focus_dpt) or len(np.unique(focus_dpt)) < 2:
        at = ", ".join(f"{dpt:g}" for dpt in focus_dpt)
        raise ConfigError(
            f"dff_sml: expected frames at 2 or more focus distances, got {len(images)} frames at {at} dpt"
        )
    foci, first = np.unique(focus_dpt, return_index=True)
    measures = np.stack([focus_measure(images[index], config) for index in first])
    inverse_depth = peaks_dpt(np.log(measures + _FLOOR), foci)
    textured = (measures.max(axis=0) > config.contrast * (measures.min(axis=0) + _FLOOR)).astype(np.float32)
    dense = filled(inverse_depth, textured) if textured.any() else inverse_depth
    return (1 / np.maximum(dense, config.max_blur_px / gain_px_per_dpt)).astype(np.float32)


def focus_measure(image: ImageArray, config: DepthFromFocusConfig) -> FloatArray:
    """Sum-modified Laplacian (Nayar and Nakagawa, eq. 9–11): Σ over a window of |∂²I/∂x²| + |∂²I/∂y²|, ≥ 0."""
    smooth = cv2.GaussianBlur(luminance(image), (0, 0), config.smoothing_px)
    modified = np.abs(cv2.filter2D(smooth, -1, _SECOND_DIFFERENCE))
    modified += np.abs(cv2.filter2D(smooth, -1, _SECOND_DIFFERENCE.T))
    side = 2 * max(config.least_reach_px, round(image.shape[1] * config.window_fraction / 2)) + 1
    return np.asarray(cv2.blur(modified, (side, side)), np.float32)


def peaks_dpt(log_measures: npt.NDArray[np.floating], foci_dpt: npt.NDArray[np.float64]) -> FloatArray:
    """Dioptres where each pixel's focus measure peaks.

    A parabola through the logarithms of the best frame and its neighbours (a Gaussian peak, Nayar and Nakagawa,
    eq. 14) for unequal steps; the best frame itself at either end of the sweep.
    """
    best = np.argmax(log_measures, axis=0)
    if len(foci_dpt) < 3:
        return foci_dpt[best].astype(np.float32)
    middle = np.clip(best, 1, len(foci_dpt) - 2)
    left, centre, right = (foci_dpt[middle + step] for step in (-1, 0, 1))
    low, high, after = (_taken(log_measures, middle + step) for step in (-1, 0, 1))
    from_left, from_right = (centre - left) * (high - after), (centre - right) * (high - low)
    bend = from_left - from_right
    shift = ((centre - left) * from_left - (centre - right) * from_right) / np.where(bend > 0, 2 * bend, np.inf)
    refined = np.clip(centre - shift, left, right)
    return np.where(best == middle, refined, foci_dpt[best]).astype(np.float32)


def _taken(stack: npt.NDArray[np.floating], index: npt.NDArray[np.intp]) -> npt.NDArray[np.floating]:
    return np.take_along_axis(stack, index[None], axis=0)[0]
