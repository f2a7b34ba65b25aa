"""Thin-lens optics: the one place that knows signs and units of blur."""

from .lens import (
    blur_gain_px_per_dpt,
    depth_of_field_m,
    focus_distance_m,
    focus_distances_dpt,
    focus_dpt,
    focus_sweep_m,
    hyperfocal_distance_m,
    lens_constant_px_per_dpt,
    resized,
)
from .thin_lens import blur_gain, coc_from_inverse_depth, coc_limits_dpt, hyperfocal_dpt, inverse_depth_from_coc
from .transfer import from_linear, to_linear

__all__ = [
    "blur_gain",
    "blur_gain_px_per_dpt",
    "coc_from_inverse_depth",
    "coc_limits_dpt",
    "depth_of_field_m",
    "focus_distance_m",
    "focus_distances_dpt",
    "focus_dpt",
    "focus_sweep_m",
    "from_linear",
    "hyperfocal_distance_m",
    "hyperfocal_dpt",
    "inverse_depth_from_coc",
    "lens_constant_px_per_dpt",
    "resized",
    "to_linear",
]
