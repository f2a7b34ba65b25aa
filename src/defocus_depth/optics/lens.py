"""From a `LensParameters` to the numbers that describe blur in an image of a given width."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..errors import OpticsError
from ..types import LensParameters
from .thin_lens import blur_gain, coc_limits_dpt, hyperfocal_dpt

INFINITY_DPT = 0.0


def focus_dpt(focus_distance_m: float, lens: LensParameters | None = None) -> float:
    """Focus in dioptres of a focus distance in metres (inf allowed), counted from the entrance pupil.

    Raises:
        OpticsError: the distance is NaN, ≤ 0, or not outside the focal length (no real image).
    """
    if math.isnan(focus_distance_m) or focus_distance_m <= 0:
        raise OpticsError(f"focus_distance_m: expected > 0 (inf allowed), got {focus_distance_m!r}")
    if math.isinf(focus_distance_m):
        return INFINITY_DPT
    from_pupil_m = focus_distance_m - (lens.focus_offset_m if lens else 0.0)
    focal_length_m = (lens.focal_length_m if lens else None) or 0.0
    if from_pupil_m <= focal_length_m:
        raise OpticsError(
            f"focus_distance_m: expected beyond the focal length {focal_length_m} m, got {from_pupil_m} m"
        )
    return 1.0 / from_pupil_m


def focus_distance_m(focus_in_dpt: float, lens: LensParameters | None = None) -> float:
    """Inverse of `focus_dpt`: metres as the lens reports them; 0 dpt gives inf.

    Raises:
        OpticsError: F is negative, infinite or NaN.
    """
    if not 0 <= focus_in_dpt < math.inf:
        raise OpticsError(f"focus_dpt: expected finite and ≥ 0, got {focus_in_dpt!r}")
    offset_m = lens.focus_offset_m if lens else 0.0
    return math.inf if focus_in_dpt == 0 else 1.0 / focus_in_dpt + offset_m


def lens_constant_px_per_dpt(lens: LensParameters, image_width_px: int) -> float:
    """f²/(N·p) in px of an image `image_width_px` wide: the blur gain for focus at infinity."""
    scale = image_width_px / (lens.image_width_px or image_width_px)
    if lens.blur_gain_px_per_dpt is not None:
        return lens.blur_gain_px_per_dpt * scale
    assert lens.focal_length_m and lens.f_number and lens.pixel_pitch_m  # guaranteed by LensParameters
    return blur_gain(lens.focal_length_m, lens.f_number, lens.pixel_pitch_m, INFINITY_DPT) * scale


def blur_gain_px_per_dpt(lens: LensParameters, focus_in_dpt: float, image_width_px: int) -> float:
    """Blur gain G (px per dpt) at focus F (dpt), for an image `image_width_px` wide (resized, not cropped).

    Raises:
        OpticsError: F ≥ 1/f, where no real image forms.
    """
    bending = (lens.focal_length_m or 0.0) * focus_in_dpt
    if not 0 <= bending < 1:
        raise OpticsError(f"focus_dpt: expected in [0, 1/f), got {focus_in_dpt!r} with f = {lens.focal_length_m} m")
    return lens_constant_px_per_dpt(lens, image_width_px) / (1 - bending)


def resized(lens: LensParameters, ratio: float) -> LensParameters:
    """The lens of an image resized by `ratio`: p → p/r, gain → r·gain, its width (where known) → r·width.

    Raises:
        OpticsError: the ratio is not finite and positive.
    """
    if not 0 < ratio < math.inf:
        raise OpticsError(f"resize ratio: expected a finite number > 0, got {ratio!r}")
    width = None if lens.image_width_px is None else max(1, round(lens.image_width_px * ratio))
    exact_ratio = ratio if width is None or lens.image_width_px is None else width / lens.image_width_px
    pitch = None if lens.pixel_pitch_m is None else lens.pixel_pitch_m / exact_ratio
    gain = None if lens.blur_gain_px_per_dpt is None else lens.blur_gain_px_per_dpt * exact_ratio
    return dataclasses.replace(lens, pixel_pitch_m=pitch, blur_gain_px_per_dpt=gain, image_width_px=width)


def depth_of_field_m(
    lens: LensParameters, focus_in_dpt: float, image_width_px: int, acceptable_coc_px: float = 1.0
) -> tuple[float, float]:
    """Nearest and farthest depth (m; inf allowed) whose |CoC| stays within `acceptable_coc_px`."""
    gain = blur_gain_px_per_dpt(lens, focus_in_dpt, image_width_px)
    far_dpt, near_dpt = coc_limits_dpt(focus_in_dpt, gain, acceptable_coc_px)
    return 1.0 / near_dpt, (1.0 / far_dpt if far_dpt > 0 else math.inf)


def hyperfocal_distance_m(lens: LensParameters, image_width_px: int, acceptable_coc_px: float = 1.0) -> float:
    """Focus distance (m) from which on infinity is within `acceptable_coc_px`; textbook H = f²/(N·c) + f."""
    constant = lens_constant_px_per_dpt(lens, image_width_px)
    return 1.0 / hyperfocal_dpt(constant, lens.focal_length_m or 0.0, acceptable_coc_px)


def focus_sweep_m(near_m: float, far_m: float, count: int) -> list[float]:
    """`count` focus distances (m) from `near_m` to `far_m` (inf allowed), uniform in dioptres: uniform in blur.

    Raises:
        OpticsError: fewer than 2 steps, or not 0 < near < far.
    """
    if count < 2 or not 0 < near_m < far_m:
        raise OpticsError(f"focus sweep: expected 0 < near < far and count ≥ 2, got {near_m}, {far_m}, {count}")
    far_dpt = INFINITY_DPT if math.isinf(far_m) else 1.0 / far_m
    return [focus_distance_m(float(step)) for step in np.linspace(1.0 / near_m, far_dpt, count)]


def focus_distances_dpt(distances_m: Sequence[float], lens: LensParameters | None = None) -> npt.NDArray[np.float64]:
    """`focus_dpt` of each distance, float64 (N,)."""
    return np.array([focus_dpt(distance, lens) for distance in distances_m])
