from __future__ import annotations

import math
from pathlib import Path

import pytest

from defocus_depth.errors import ConfigError, OpticsError
from defocus_depth.messages.lens_setting import LensSetting
from defocus_depth.optics import lens_constant_px_per_dpt
from defocus_depth.ros.lens_source import lens_setting, named_lens
from defocus_depth.ros.parameters import DepthNodeParameters
from defocus_depth.types import LensParameters

ROBOT = LensParameters(0.008, 1.4, 6e-6, image_width_px=320)
GAIN_ONLY = LensParameters(blur_gain_px_per_dpt=10.0)


def setting_of(parameters: DepthNodeParameters) -> LensSetting:
    return lens_setting(parameters, named_lens(parameters))


def test_the_reference_lens_is_found_by_name_and_brings_its_near_focus() -> None:
    assert setting_of(DepthNodeParameters(lens_file="robot")) == LensSetting(ROBOT, 0.35, 0.35)


def test_parameters_alone_describe_a_lens() -> None:
    parameters = DepthNodeParameters(
        focal_length_m=0.008, f_number=1.4, pixel_pitch_m=6e-6, lens_image_width_px=320, focus_distance_m=math.inf
    )
    assert setting_of(parameters) == LensSetting(ROBOT, math.inf)
    assert setting_of(DepthNodeParameters(blur_gain_px_per_dpt=10.0)) == LensSetting(GAIN_ONLY, None)


def test_parameters_override_the_file(tmp_path: Path) -> None:
    parameters = DepthNodeParameters(lens_file="robot", f_number=2.8, focus_distance_m=0.5)
    setting = setting_of(parameters)
    assert (setting.lens.f_number, setting.lens.focal_length_m, setting.focus_distance_m) == (2.8, 0.008, 0.5)
    gain_file = tmp_path / "gain.yaml"
    gain_file.write_text("lens: {blur_gain_px_per_dpt: 10, f_number: 1.4, focal_length_m: 0.008}\n")
    stopped_down = setting_of(DepthNodeParameters(lens_file=str(gain_file), f_number=2.8)).lens
    assert lens_constant_px_per_dpt(stopped_down, 640) == pytest.approx(5.0)
    geometric = DepthNodeParameters(lens_file=str(gain_file), focal_length_m=0.008, f_number=1.4, pixel_pitch_m=3e-6)
    assert lens_constant_px_per_dpt(setting_of(geometric).lens, 640) == pytest.approx(0.008**2 / (1.4 * 3e-6))


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (DepthNodeParameters(), "expected focal_length_m, f_number and pixel_pitch_m, or blur_gain_px_per_dpt"),
        (DepthNodeParameters(lens_file="/nowhere/lens.yaml"), "/nowhere/lens.yaml: expected a readable lens YAML"),
        (DepthNodeParameters(lens_file="unheard_of"), "lens: expected one of macro, nyu, robot, or the path"),
    ],
)
def test_no_lens_is_refused(parameters: DepthNodeParameters, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        setting_of(parameters)


def test_a_focus_distance_inside_the_focal_length_is_refused() -> None:
    with pytest.raises(OpticsError, match="expected beyond the focal length 0.008 m, got 0.007 m"):
        setting_of(DepthNodeParameters(lens_file="robot", focus_distance_m=0.007))
