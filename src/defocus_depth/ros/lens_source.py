"""The lens and focus distance that the node's parameters and lens file give."""

from __future__ import annotations

from ..errors import ConfigError, OpticsError
from ..messages.lens_setting import LensSetting, changed_lens
from ..optics import focus_dpt
from ..optics.lens_file import LensFile, find_lens, read_lens
from ..types import LensParameters
from .parameters import DepthNodeParameters

_FROM_PARAMETERS = {
    "focal_length_m": "focal_length_m",
    "f_number": "f_number",
    "pixel_pitch_m": "pixel_pitch_m",
    "blur_gain_px_per_dpt": "blur_gain_px_per_dpt",
    "lens_image_width_px": "image_width_px",
}


def named_lens(parameters: DepthNodeParameters) -> LensFile | None:
    """What the lens file of the parameters says; None where they name none.

    Raises:
        ConfigError: it cannot be read.
    """
    return read_lens(find_lens(parameters.lens_file)) if parameters.lens_file else None


def lens_setting(parameters: DepthNodeParameters, known: LensFile | None) -> LensSetting:
    """The lens and focus distance that the parameters and their lens file give.

    Args:
        known: the lens file's content.

    Raises:
        ConfigError: neither file nor parameters describe a lens.
        OpticsError: a focus distance inside the focal length.
    """
    values = {theirs: getattr(parameters, ours) for ours, theirs in _FROM_PARAMETERS.items()}
    given = {name: value for name, value in values.items() if value}
    try:
        lens = changed_lens(known.lens, given) if known else LensParameters(**given)
    except OpticsError as error:
        raise ConfigError(f"lens_file or lens parameters: {error}") from error
    near_focus_m = known.near_focus_distance_m if known else None
    focus_distance_m = parameters.focus_distance_m or near_focus_m
    if focus_distance_m:
        focus_dpt(focus_distance_m, lens)
    return LensSetting(lens, focus_distance_m, near_focus_m)
