"""Parameters over ROS: descriptors, reasons for refusals, and that each of them changes what the node does."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rcl_interfaces.msg import ParameterType  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from defocus_depth.errors import ConfigError  # noqa: E402
from defocus_depth.inference import EstimatorConfig  # noqa: E402
from defocus_depth.ros import depth_node  # noqa: E402
from defocus_depth.ros.parameters import DepthNodeParameters, parameter_specs  # noqa: E402

SPECS = {spec.name: spec for spec in parameter_specs()}


def refusal(bench, **values: Any) -> str:
    """The reason why a set of parameters is refused; "" where it is accepted."""
    result = bench.node.set_parameters_atomically([Parameter(name, value=value) for name, value in values.items()])
    return "" if result.successful else result.reason


def test_descriptors_say_type_range_and_when_a_value_applies(make_bench) -> None:
    bench = make_bench()
    for spec in SPECS.values():
        described = bench.node.describe_parameter(spec.name)
        assert described.description == spec.description
        assert described.read_only == (spec.applies == "at start")
        assert ("unconfigured" in described.additional_constraints) == (spec.applies == "in configure")
        assert spec.constraint in described.additional_constraints
    confidence = bench.node.describe_parameter("min_confidence")
    assert confidence.type == ParameterType.PARAMETER_DOUBLE
    assert (confidence.floating_point_range[0].from_value, confidence.floating_point_range[0].to_value) == (0.0, 1.0)
    threads = bench.node.describe_parameter("threads")
    assert (threads.integer_range[0].from_value, threads.integer_range[0].to_value) == (0, 256)
    assert not bench.node.describe_parameter("focus_distance_m").floating_point_range  # inf is allowed


def test_refusals_give_the_reason_and_change_nothing(bench) -> None:
    for values, expected in (
        ({"transfer": "log"}, "transfer: expected auto, srgb, linear, gamma, got 'log'"),
        ({"focus_distance_m": -1.0}, "focus_distance_m: expected 0..1e+06 or inf, got -1.0"),
        ({"focus_distance_m": math.nan}, "focus_distance_m: expected 0..1e+06 or inf, got nan"),
        ({"focus_distance_m": 0.007}, "expected beyond the focal length 0.008 m, got 0.007 m"),
        ({"color_min_m": 5.0}, "color_max_m: expected > color_min_m 5.0, got 3.0"),
        ({"min_confidence": 1.5}, "min_confidence"),
        ({"model": "other.onnx"}, "model: expected the node unconfigured"),
        ({"lens_file": "unheard_of"}, "lens: expected one of macro, nyu, robot, or the path"),
        ({"lens_file": "/nowhere\0.yaml"}, "null"),
        ({"lens_file": "~nobody_of_that_name/lens.yaml"}, "expected a path, got '~nobody_of_that_name/lens.yaml'"),
        ({"min_confidence": 0.5, "transfer": "log"}, "transfer: expected"),
    ):
        assert expected in refusal(bench, **values)
        assert bench.node._parameter_server.values == DepthNodeParameters(lens_file="robot")
        assert bench.node.get_parameter("min_confidence").value == 0.0
    assert refusal(bench, model="") == ""  # no change is no offence


def test_parameters_may_be_changed_together(bench) -> None:
    assert refusal(bench, color_min_m=5.0, color_max_m=9.0, focus_distance_m=math.inf) == ""
    assert bench.node._session.settings.lens.focus_distance_m == math.inf


def test_whole_numbers_are_doubles_where_doubles_are_meant(make_bench) -> None:
    bench = make_bench(min_confidence=1, focus_distance_m=2, threads=2)
    values = bench.node._parameter_server.values
    assert [values.min_confidence, values.focus_distance_m, values.threads] == [1.0, 2.0, 2]
    assert type(bench.node.get_parameter("min_confidence").value) is float


@pytest.mark.skipif(not hasattr(Node, "add_pre_set_parameters_callback"), reason="Humble takes them at start only")
def test_whole_numbers_are_doubles_when_set_later_too(bench) -> None:
    assert refusal(bench, min_confidence=0, color_max_m=9) == ""
    assert type(bench.node.get_parameter("color_max_m").value) is float
    assert "min_confidence" in refusal(bench, min_confidence=2)
    assert "Wrong parameter type" in refusal(bench, min_confidence=True)
    assert "Wrong parameter type" in refusal(bench, fusion_window=1.0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"min_confidence": 2}, "parameter min_confidence: expected float 0..1: .*2.0"),
        ({"min_confidence": True}, "parameter min_confidence: expected float 0..1"),
        ({"threads": 1.0}, "parameter threads: expected int 0..256"),
        ({"min_confidence": 2.0}, "parameter min_confidence: expected float 0..1: .*2.0"),
        ({"min_confidence": "high"}, "parameter min_confidence: expected float 0..1"),
        ({"transfer": "log"}, "transfer: expected auto"),
        ({"depth_min_m": 20.0}, "expected 0 ≤ depth_min_m < depth_max_m, got 20.0 and 10.0"),
    ],
)
def test_bad_values_at_start_are_refused_with_one_error(make_bench, values: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        make_bench(**values)


def test_quality_of_service_can_be_overridden_and_survives_reactivation(make_bench) -> None:
    from rclpy.qos import ReliabilityPolicy

    used = make_bench().namespace
    namespace = f"/bench{int(used.removeprefix('/bench')) + 1}"
    overrides = {
        f"qos_overrides.{namespace}/image.subscription.reliability": "reliable",
        f"qos_overrides.{namespace}/depth/depth/image.publisher.reliability": "best_effort",
    }
    bench = make_bench(**overrides)
    assert bench.namespace == namespace
    for _ in range(2):
        bench.activate()
        bench.spin_until(lambda: bench.node.get_subscriptions_info_by_topic(f"{namespace}/image"))
        listening = bench.node.get_subscriptions_info_by_topic(f"{namespace}/image")[0]
        assert listening.qos_profile.reliability == ReliabilityPolicy.RELIABLE
        publishing = bench.node.get_publishers_info_by_topic(f"{namespace}/depth/depth/image")[0]
        assert publishing.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
        bench.node.trigger_deactivate()
        bench.node.trigger_cleanup()


# How each parameter that applies at once is seen to act: another value, and what to look at before and after.
OBSERVED_AT_ONCE: dict[str, tuple[Any, Callable[[Any, Any], Any]]] = {
    "lens_file": ("nyu", lambda bench, shot: shot.lens),
    "focal_length_m": (0.05, lambda bench, shot: shot.lens.focal_length_m),
    "f_number": (8.0, lambda bench, shot: shot.lens.f_number),
    "pixel_pitch_m": (1e-6, lambda bench, shot: shot.lens.pixel_pitch_m),
    "blur_gain_px_per_dpt": (7.0, lambda bench, shot: shot.lens.blur_gain_px_per_dpt),
    "lens_image_width_px": (1280, lambda bench, shot: shot.lens.image_width_px),
    "focus_distance_m": (1.5, lambda bench, shot: shot.focus_distance_m),
    "transfer": ("gamma", lambda bench, shot: shot.transfer),
    "min_confidence": (0.5, lambda bench, shot: np.isnan(shot.depth_m).mean()),
    "colormap": ("magma", lambda bench, shot: shot.color.tolist()),
    "color_min_m": (0.9, lambda bench, shot: shot.color.tolist()),
    "color_max_m": (9.0, lambda bench, shot: shot.color.tolist()),
}


class Shot:
    """One image sent through the node, and what came of it."""

    def __init__(self, bench, image: Image, depth: list[Image], color: list[Image]) -> None:
        number = len(depth)
        bench.send("image", image, "published")
        bench.spin_until(lambda: len(depth) > number and len(color) > number)
        _, self.lens, self.focus_distance_m, self.transfer = bench.estimator.calls[-1]
        self.depth_m = np.frombuffer(depth[-1].data, np.float32)
        self.color = np.frombuffer(color[-1].data, np.uint8)


def test_each_parameter_that_applies_at_once_changes_the_next_frame(bench, make_image) -> None:
    depth, color = bench.subscribe("depth/image", Image), bench.subscribe("depth/color", Image)
    first = Shot(bench, make_image(), depth, color)
    for name, (value, look) in OBSERVED_AT_ONCE.items():
        before = bench.node.get_parameter(name).value
        assert refusal(bench, **{name: value}) == ""
        changed = Shot(bench, make_image(), depth, color)
        assert look(bench, changed) != look(bench, first), name
        assert refusal(bench, **{name: before}) == ""


def test_lens_state_max_age(bench, make_image, make_lens_state) -> None:
    bench.subscribe("depth/image", Image)
    bench.publisher("lens_state", type(make_lens_state(1.0))).publish(make_lens_state(0.5))
    bench.spin_until(lambda: len(bench.node._session._lens_states) == 1)
    bench.send("image", make_image(), "published")
    assert refusal(bench, lens_state_max_age_s=1.0) == ""
    bench.send("image", make_image(), "lens_state_stale")


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("threads", 3, "threads"),
        ("precision", "bf16", "precision"),
        ("depth_min_m", 0.1, "depth_min_m"),
        ("depth_max_m", 99.0, "depth_max_m"),
    ],
)
def test_the_estimator_is_loaded_as_configured(monkeypatch, name: str, value: Any, field: str) -> None:
    asked: list[EstimatorConfig] = []
    monkeypatch.setattr(depth_node, "load_estimator", lambda model, backend, config: asked.append(config))
    depth_node.estimator_of(DepthNodeParameters(**{name: value}))
    assert getattr(asked[0], field) == value != getattr(EstimatorConfig(), field)


def test_model_and_backend_are_what_runs(make_bench, make_tiny_model, tmp_path) -> None:
    model = make_tiny_model(tmp_path, "chosen")
    for backend in ("onnxruntime", "openvino"):
        bench = make_bench(depth_node.estimator_of, model=str(model), backend=backend)
        bench.activate()
        info = bench.node._session.estimator.info
        assert (info.model_path, info.backend) == (model, backend)


@pytest.mark.parametrize(
    ("name", "value", "topic"),
    [
        ("image_transport", "compressed", "image/compressed"),
        ("publish_depth_mm", True, "depth/depth/image_raw"),
        ("publish_points", True, "depth/points"),
    ],
)
def test_topics_appear_with_their_parameter(make_bench, name: str, value: Any, topic: str) -> None:
    for values, there in (({}, False), ({name: value}, True)):
        bench = make_bench(**values)
        bench.activate()
        bench.spin_until(lambda bench=bench: bench.node.count_publishers(f"{bench.namespace}/depth/depth/image"))
        known = {found for found, _ in bench.node.get_topic_names_and_types()}
        assert (f"{bench.namespace}/{topic}" in known) == there


def test_no_parameter_is_without_effect() -> None:
    elsewhere = {"lens_state_max_age_s", "threads", "precision", "depth_min_m", "depth_max_m", "model", "backend"}
    topics = {"image_transport", "publish_depth_mm", "publish_points"}
    other_files = {"stale_after_s", "autostart"}  # test_bad_input, test_lifecycle
    fusion = {"fusion_window", "fusion_max_age_s"}  # test_pipeline
    assert OBSERVED_AT_ONCE.keys() | elsewhere | topics | other_files | fusion == SPECS.keys()


def test_the_lens_file_is_read_when_it_is_set_and_no_other_time(make_bench, tmp_path: Path) -> None:
    file = tmp_path / "lens.yaml"
    file.write_text("lens: {focal_length_m: 0.008, f_number: 1.4, pixel_pitch_m: 6.0e-6}\n")
    bench = make_bench(lens_file=str(file), focus_distance_m=0.5)
    bench.activate()
    file.write_text("lens: {focal_length_m: 0.008, f_number: 2.8, pixel_pitch_m: 6.0e-6}\n")
    assert refusal(bench, colormap="bone") == ""
    assert bench.node._session.settings.lens.lens.f_number == 1.4
    assert refusal(bench, lens_file=str(file)) == ""
    assert bench.node._session.settings.lens.lens.f_number == 2.8
    file.unlink()
    assert refusal(bench, colormap="jet") == ""
    assert "expected a readable lens YAML" in refusal(bench, lens_file=str(file))


@pytest.mark.parametrize("text", ["{" * 5000, f"lens: {{blur_gain_px_per_dpt: 10, image_width_px: {'9' * 400}}}"])
def test_a_lens_file_that_no_parser_can_hold_is_refused(bench, tmp_path: Path, text: str) -> None:
    file = tmp_path / "lens.yaml"
    file.write_text(text)
    assert "lens.yaml" in refusal(bench, lens_file=str(file))


def test_a_bug_while_parameters_are_set_refuses_them_and_the_node_lives(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.node._parameter_server, "_accept", lambda parameters, names: 1 / 0)
    assert refusal(bench, colormap="bone") == "ZeroDivisionError: division by zero"
