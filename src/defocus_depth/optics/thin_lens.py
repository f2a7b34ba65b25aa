"""The thin lens in plain arithmetic: signed circle of confusion ↔ depth through two numbers.

Focus in dioptres `F = 1/s` and blur gain `G = f²·s / (N·p·(s − f))` describe all blur of one picture:
`coc_px = G·(F − 1/d)`, negative nearer than the focus plane, positive beyond, `G·F` at infinity.
Every function takes floats, NumPy arrays or torch tensors, and returns the same kind.
Source: geometric optics of a thin lens, e.g. Ray, "Applied Photographic Optics", ch. 22.
"""

from __future__ import annotations

from typing import TypeVar

Number = TypeVar("Number")  # float, NumPy array or torch tensor


def coc_from_inverse_depth(
    inverse_depth_dpt: Number, gain_px_per_dpt: Number | float, focus_dpt: Number | float
) -> Number:
    """Signed CoC diameter (px) of points at inverse depth 1/d (dpt); 0 dpt is infinity."""
    return gain_px_per_dpt * (focus_dpt - inverse_depth_dpt)  # type: ignore[operator, return-value]


def inverse_depth_from_coc(coc_px: Number, gain_px_per_dpt: Number | float, focus_dpt: Number | float) -> Number:
    """Inverse depth (dpt) of points with signed CoC (px). A result ≤ 0 lies beyond infinity: invalid."""
    return focus_dpt - coc_px / gain_px_per_dpt  # type: ignore[operator, return-value]


def blur_gain(focal_length_m: Number, f_number: Number, pixel_pitch_m: Number, focus_dpt: Number | float) -> Number:
    """Blur gain G (px per dpt) at focus F (dpt): f²/(N·p·(1 − f·F)), which is f²·s/(N·p·(s − f)) with F = 1/s.

    Written in dioptres it has no singularity at infinity.
    Meaningful for f·F < 1 only (`lens.blur_gain_px_per_dpt` checks it).
    """
    return focal_length_m**2 / (f_number * pixel_pitch_m * (1 - focal_length_m * focus_dpt))  # type: ignore[operator, return-value]


def coc_limits_dpt(focus_dpt: float, gain_px_per_dpt: float, acceptable_coc_px: float) -> tuple[float, float]:
    """Far and near ends (dpt) of the depth of field: |CoC| ≤ `acceptable_coc_px`; a far end ≤ 0 means infinity."""
    half_width_dpt = acceptable_coc_px / gain_px_per_dpt
    return focus_dpt - half_width_dpt, focus_dpt + half_width_dpt


def hyperfocal_dpt(lens_constant_px_per_dpt: float, focal_length_m: float, acceptable_coc_px: float) -> float:
    """Focus (dpt) at which infinity is just acceptably sharp: solves G(F)·F = c, F = c / (f²/(N·p) + c·f).

    In metres that is the textbook H = f²/(N·c) + f.
    """
    return acceptable_coc_px / (lens_constant_px_per_dpt + acceptable_coc_px * focal_length_m)
