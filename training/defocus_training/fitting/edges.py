"""Edges of depth and edges of the picture: where neighbours hang together, and to which side a pixel belongs."""

from __future__ import annotations

import cv2
import numpy as np

from defocus_depth.types import FloatArray

from .options import EdgeOptions
from .weighted_median import FillMedians, weighted_median

_DEPTH_EDGE_PX = 1.0  # blur between neighbours that makes a depth edge


def picture_links(guide: FloatArray, options: EdgeOptions) -> tuple[FloatArray, FloatArray]:
    """How strongly neighbours hang together (columns (H, W−1), rows (H−1, W)): weak across edges of the guide."""
    steps = [np.abs(np.diff(guide, axis=axis)).max(-1) for axis in (1, 0)]
    across, along = (np.maximum(np.exp(-step / options.contrast), options.weakest_link) for step in steps)
    return across.astype(np.float32), along.astype(np.float32)


def snap_edges(
    inverse_depth: FloatArray,
    guide: FloatArray,
    gain_px_per_dpt: float,
    options: EdgeOptions,
    fill_medians: FillMedians | None = None,
) -> FloatArray:
    """Decide anew, by the colours of `guide` (H, W, 3), the depth of the band on the near side of every depth edge."""
    steps = inverse_depth * np.float32(gain_px_per_dpt)
    square = np.ones((2 * options.rim_px + 1,) * 2, np.uint8)
    touching = np.ones((3, 3), np.uint8)
    edges = (cv2.dilate(steps, touching) - cv2.erode(steps, touching) > _DEPTH_EDGE_PX).astype(np.uint8)
    band = cv2.dilate(edges, square) > 0
    doubted = band & (steps - cv2.erode(steps, square) > _DEPTH_EDGE_PX)
    trust = np.where(doubted, options.rim_trust, 1).astype(np.float32)
    return weighted_median(inverse_depth, guide, trust, band, options.radius_px, options.likeness, fill_medians)


def grow_near(inverse_depth: FloatArray, gain_px_per_dpt: float) -> FloatArray:
    """Near surfaces one pixel larger on every side."""
    nearest = cv2.dilate(inverse_depth, np.ones((3, 3), np.uint8))
    return np.where((nearest - inverse_depth) * gain_px_per_dpt > _DEPTH_EDGE_PX, nearest, inverse_depth)
