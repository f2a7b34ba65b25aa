"""Depth as colours: a fixed range, so that a colour means the same distance in every frame."""

from __future__ import annotations

import cv2
import numpy as np

from ..types import FloatArray, ImageArray

COLORMAPS = {
    "turbo": cv2.COLORMAP_TURBO,
    "viridis": cv2.COLORMAP_VIRIDIS,
    "magma": cv2.COLORMAP_MAGMA,
    "inferno": cv2.COLORMAP_INFERNO,
    "plasma": cv2.COLORMAP_PLASMA,
    "cividis": cv2.COLORMAP_CIVIDIS,
    "jet": cv2.COLORMAP_JET,
    "bone": cv2.COLORMAP_BONE,
}


def depth_colors(depth_m: FloatArray, near_m: float, far_m: float, colormap: str) -> ImageArray:
    """BGR uint8 (H, W, 3) of depth (H, W) in metres: even in 1/depth, near is the map's upper end, NaN black."""
    with np.errstate(divide="ignore", invalid="ignore"):
        nearness = (1 / depth_m - 1 / far_m) / (1 / near_m - 1 / far_m)
    known = ~np.isnan(nearness)
    levels = np.rint(np.clip(np.where(known, nearness, 0), 0, 1) * 255).astype(np.uint8)
    colors = cv2.applyColorMap(levels, COLORMAPS[colormap])
    colors[~known] = 0
    return colors
