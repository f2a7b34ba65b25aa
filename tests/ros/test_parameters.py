from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.inference import EstimatorConfig
from defocus_depth.ros.parameters import DepthNodeParameters, parameter_specs

SPECS = {spec.name: spec for spec in parameter_specs()}
NUMBERS = [spec for spec in SPECS.values() if spec.minimum is not None]


def test_defaults_hold_and_every_parameter_is_described() -> None:
    DepthNodeParameters()
    for spec in SPECS.values():
        assert spec.description.endswith(".") and spec.description[0].isascii()
        assert spec.constraint or isinstance(spec.default, (bool, str))


def test_numbers_have_units_in_their_names() -> None:
    dimensionless = {"threads", "f_number", "min_confidence", "fusion_window"}
    for spec in NUMBERS:
        assert spec.name in dimensionless or spec.name.endswith(("_m", "_s", "_px", "_px_per_dpt")), spec.name


@pytest.mark.parametrize("spec", NUMBERS, ids=lambda spec: spec.name)
def test_numbers_outside_their_range_are_refused_with_a_reason(spec) -> None:
    assert spec.minimum is not None and spec.maximum is not None
    for value in (spec.minimum - 1, spec.maximum + 1, math.nan):
        with pytest.raises(ConfigError, match=rf"{spec.name}: expected {spec.minimum:g}\.\..*, got {value}"):
            dataclasses.replace(DepthNodeParameters(), **{spec.name: value})


@pytest.mark.parametrize("spec", [spec for spec in SPECS.values() if spec.choices], ids=lambda spec: spec.name)
def test_words_outside_the_choices_are_refused(spec) -> None:
    with pytest.raises(ConfigError, match=f"{spec.name}: expected .*{spec.choices[-1]}, got 'other'"):
        dataclasses.replace(DepthNodeParameters(), **{spec.name: "other"})


def test_infinity_is_refused_but_where_it_is_a_distance() -> None:
    assert {spec.name for spec in SPECS.values() if spec.inf_allowed} == {"depth_max_m", "focus_distance_m"}
    DepthNodeParameters(depth_max_m=math.inf, focus_distance_m=math.inf)
    with pytest.raises(ConfigError, match="color_max_m"):
        DepthNodeParameters(color_max_m=math.inf)


def test_ranges_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ConfigError, match="color_max_m: expected > color_min_m 3.0, got 2.0"):
        DepthNodeParameters(color_min_m=3.0, color_max_m=2.0)
    with pytest.raises(ConfigError, match="expected 0 ≤ depth_min_m < depth_max_m, got 3.0 and 2.0"):
        DepthNodeParameters(depth_min_m=3.0, depth_max_m=2.0)


def test_the_estimator_is_told_what_the_parameters_say() -> None:
    parameters = DepthNodeParameters(depth_min_m=0.5, depth_max_m=4.0, threads=2, precision="bf16")
    assert parameters.estimator_config() == EstimatorConfig(0.5, 4.0, 2, "bf16")
    assert DepthNodeParameters().estimator_config() == EstimatorConfig()
    assert DepthNodeParameters().model_path is None
    assert DepthNodeParameters(model="~/model.onnx").model_path == Path.home() / "model.onnx"
