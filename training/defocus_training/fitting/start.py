"""Depth from focus to start from: cost volume, semi-global smoothing, edges snapped to those of the picture."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from defocus_depth.types import FloatArray

from ..splatting.psf import Psf
from .cost_volume import CostVolume, best_hypotheses, cost_volume
from .edges import picture_links, snap_edges
from .options import StartOptions
from .semi_global import semi_global
from .views import LUMINANCE, Views
from .weighted_median import FillMedians

_SOFTNESS_PX = 0.5  # blur by which a frame may exceed the sharpest and still share in the composite


def starting_depth(views: Views, psf: Psf, options: StartOptions) -> FloatArray:
    """Inverse depth (dpt) of the views, (H, W)."""
    return depth_from_costs(views, cost_volume(views, hypotheses(views, options), psf, options.window_px), options)


def depth_from_costs(
    views: Views, volume: CostVolume, options: StartOptions, fill_medians: FillMedians | None = None
) -> FloatArray:
    """`starting_depth` from costs that are known already."""
    guide = root_composite(views, best_hypotheses(volume, volume.cost))
    cost = np.minimum(volume.cost - volume.cost.min(0), options.highest_cost) * _own_texture(guide, options.texture)
    smoothed = semi_global(cost, picture_links(guide, options.edges), options.step_cost)
    smooth = best_hypotheses(volume, smoothed)
    return snap_edges(smooth, root_composite(views, smooth), views.mean_gain, options.edges, fill_medians)


def hypotheses(views: Views, options: StartOptions) -> npt.NDArray[np.float64]:
    """Inverse depths (dpt) to try: the sweep and a little beyond, never beyond infinity."""
    step = options.step_px / views.mean_gain
    reach = options.beyond_px / views.mean_gain
    lowest, highest = views.focus_dpt.min() - reach, views.focus_dpt.max() + reach
    if views.metric:
        lowest = max(lowest, 0.5 * step)
    return np.arange(lowest, highest + step, step)


def composite(views: Views, inverse_depth: FloatArray) -> FloatArray:
    """All-in-focus picture (H, W, 3): each pixel mostly from the frames in which it is least blurred."""
    blur = np.abs(views.coc_px(inverse_depth))
    weights = np.exp(-(blur - blur.min(0)) / _SOFTNESS_PX) * np.maximum(views.valid, 1e-6)
    return np.einsum("fhw,fhwc->hwc", weights / weights.sum(0), views.frames).astype(np.float32)


def root_composite(views: Views, inverse_depth: FloatArray) -> FloatArray:
    """Square root of the composite: steps of equal size look alike in light and shade."""
    return np.asarray(np.sqrt(np.maximum(composite(views, inverse_depth), 1e-4)), np.float32)


def _own_texture(guide: FloatArray, texture: float) -> FloatArray:
    """0..1: how much a pixel's own gradient can tell of its blur."""
    picture = np.ascontiguousarray(guide @ LUMINANCE)
    gradients = [cv2.Sobel(picture, -1, dx, 1 - dx) / 8 for dx in (1, 0)]
    energy = cv2.GaussianBlur(gradients[0] ** 2 + gradients[1] ** 2, (0, 0), 0.8)
    return np.asarray(energy / (energy + texture**2), np.float32)
