"""Lens YAML files: what calibration writes, and commands and nodes read.

lens: {focal_length_m: 0.008, f_number: 1.4, pixel_pitch_m: 6.0e-6, image_width_px: 320}
near_focus_distance_m: 0.35                                      # optional
camera: {width: …, height: …, fx: …, fy: …, cx: …, cy: …}        # optional
focus_curve: {kind: affine, positions: […], dioptres: […]}       # optional
calibration: {date: …, temperature_c: …, residual_dpt: …}        # optional, free
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, field_validator

from ..atomic import replacing
from ..checked_input import CHECKED, CameraFields, Positive, read_yaml, set_fields
from ..errors import ConfigError, OpticsError
from ..share import named_or_path
from ..types import CameraIntrinsics, LensParameters
from .focus_curve import FocusCurve
from .lens import focus_dpt

MOST_GAIN_DIFFERENCE = 0.25  # of a measured gain from the nominal one


@dataclass(frozen=True)
class LensFile:
    """The content of a lens YAML.

    Attributes:
        near_focus_distance_m: the lens's usual focus, nearer than the scenes it is used for.
        calibration: free facts about how the numbers came about (date, temperature_c, residuals …).
    """

    lens: LensParameters
    near_focus_distance_m: float | None = None
    camera: CameraIntrinsics | None = None
    focus_curve: FocusCurve | None = None
    calibration: dict[str, Any] = field(default_factory=dict)


_STRICT = ConfigDict(**{**CHECKED, "extra": "forbid"})  # a misspelt key would leave a lens that seems right


class _StrictCamera(CameraFields):
    model_config = _STRICT


class _LensFileFields(BaseModel):
    model_config = _STRICT
    lens: LensParameters
    near_focus_distance_m: Positive | None = None
    camera: _StrictCamera | None = None
    focus_curve: FocusCurve | None = None
    calibration: dict[str, Any] | None = None

    @field_validator("lens", mode="before")
    @classmethod
    def _known(cls, given: Any) -> Any:
        known = [field.name for field in fields(LensParameters)]
        if isinstance(given, Mapping) and (unknown := [key for key in given if key not in known]):
            raise ValueError(f"expected fields out of {', '.join(known)}, got {', '.join(map(str, unknown))}")
        return given

    @field_validator("lens")
    @classmethod
    def _of_one_blur(cls, lens: LensParameters) -> LensParameters:
        """A gain beside f, N and p is that which was measured: it may differ from theirs, by as much as labels do."""
        if lens.blur_gain_px_per_dpt and lens.focal_length_m and lens.f_number and lens.pixel_pitch_m:
            nominal = lens.focal_length_m**2 / (lens.f_number * lens.pixel_pitch_m)
            if abs(lens.blur_gain_px_per_dpt / nominal - 1) > MOST_GAIN_DIFFERENCE:
                raise ValueError(
                    f"blur_gain_px_per_dpt: expected about f²/(N·p) = {nominal:.4g}, or no f, N and p beside it, "
                    f"got {lens.blur_gain_px_per_dpt:g}"
                )
        return lens

    def to_lens_file(self) -> LensFile:
        camera = self.camera.to_camera() if self.camera else None
        return LensFile(self.lens, self.near_focus_distance_m, camera, self.focus_curve, self.calibration or {})


def find_lens(name_or_path: str) -> Path:
    """The file that a user means: a path, or the name of a lens in config/lenses (`robot`).

    Raises:
        ConfigError: no path, or no lens of that name comes with the package: names those that do.
    """
    return named_or_path(name_or_path, "lens", "config", "lenses")


def read_lens(path: Path) -> LensFile:
    """The lens in a YAML file.

    Raises:
        ConfigError: no such file, not YAML, an unknown key, or a value no lens can have: names file, field, expected,
            actual.
    """
    path = Path(path)
    lens_file = read_yaml(path, _LensFileFields, "lens YAML").to_lens_file()
    _check_near_focus(path, lens_file)
    return lens_file


def write_lens(path: Path, lens_file: LensFile) -> None:
    """Write a lens YAML in one step (an old file stays whole until the new one is).

    Raises:
        ConfigError: a value that `read_lens` would refuse, or a folder that cannot be written.
    """
    path = Path(path)
    _check_near_focus(path, lens_file)
    try:
        text = yaml.safe_dump(_content(lens_file), sort_keys=False, allow_unicode=True)
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
            read_lens(partial)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: expected a writable file and plain YAML values, got {error}") from error


def _check_near_focus(path: Path, lens_file: LensFile) -> None:
    if lens_file.near_focus_distance_m is None:
        return
    try:
        focus_dpt(lens_file.near_focus_distance_m, lens_file.lens)
    except OpticsError as error:
        raise ConfigError(f"{path}: near_focus_distance_m: {error}") from error


def _content(lens_file: LensFile) -> dict[str, Any]:
    content: dict[str, Any] = {"lens": set_fields(lens_file.lens)}
    if lens_file.near_focus_distance_m is not None:
        content["near_focus_distance_m"] = lens_file.near_focus_distance_m
    if lens_file.camera is not None:
        content["camera"] = _lists(set_fields(lens_file.camera))
    if lens_file.focus_curve is not None:
        content["focus_curve"] = _lists(set_fields(lens_file.focus_curve))
    if lens_file.calibration:
        content["calibration"] = lens_file.calibration
    return content


def _lists(fields: dict[str, Any]) -> dict[str, Any]:
    """YAML has no tuples."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
