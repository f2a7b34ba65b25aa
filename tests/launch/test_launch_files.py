"""The launch files, read through stand-ins for launch and launch_ros, which PyPI does not have."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from defocus_depth.ros.parameters import DepthNodeParameters, parameter_specs

ROOT = Path(__file__).resolve().parents[2]
PROFILE = str(ROOT / "config" / "fastdds_shm.xml")
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


class Recorded:
    """An action or substitution: keeps what it was made with."""

    def __init__(self, *args: Any, **fields: Any) -> None:
        self.args, self.fields = args, fields


class LaunchConfiguration(Recorded):
    def perform(self, context: dict[str, str]) -> str:
        return context[self.args[0]]


def kind(name: str) -> type[Recorded]:
    return type(name, (Recorded,), {})


STAND_INS: dict[str, dict[str, Any]] = {
    "ament_index_python": {},
    "ament_index_python.packages": {
        "get_package_share_directory": lambda package: str(ROOT),
        "get_package_prefix": lambda package: "/prefix",
    },
    "launch": {"LaunchDescription": kind("LaunchDescription")},
    "launch.actions": {
        name: kind(name)
        for name in (
            "DeclareLaunchArgument",
            "ExecuteProcess",
            "IncludeLaunchDescription",
            "OpaqueFunction",
            "SetEnvironmentVariable",
            "Shutdown",
        )
    },
    "launch.conditions": {"IfCondition": kind("IfCondition")},
    "launch.launch_description_sources": {"PythonLaunchDescriptionSource": kind("PythonLaunchDescriptionSource")},
    "launch.substitutions": {"LaunchConfiguration": LaunchConfiguration},
    "launch_ros": {},
    "launch_ros.actions": {"LifecycleNode": kind("LifecycleNode"), "Node": kind("Node")},
    "launch_ros.substitutions": {"ExecutableInPackage": kind("ExecutableInPackage")},
    "launch_ros.parameter_descriptions": {"ParameterValue": kind("ParameterValue")},
}


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in STAND_INS.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    for name in PROFILE_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def entities(name: str) -> list[Recorded]:
    """What the launch description of a file holds."""
    return runpy.run_path(str(ROOT / "launch" / name))["generate_launch_description"]().args[0]


def arguments(found: list[Recorded]) -> dict[str, Any]:
    declared = [entity for entity in found if type(entity).__name__ == "DeclareLaunchArgument"]
    assert all(argument.fields["description"] for argument in declared)
    return {argument.args[0]: argument.fields["default_value"] for argument in declared}


def depth_node(**given: str) -> dict[str, Any]:
    """What the LifecycleNode action of depth.launch.py is made with."""
    found = entities("depth.launch.py")
    function = [entity for entity in found if type(entity).__name__ == "OpaqueFunction"][0].fields["function"]
    (node,) = function({**arguments(found), **given})
    assert type(node).__name__ == "LifecycleNode"
    return node.fields


def test_by_default_the_node_starts_itself_with_the_params_file_and_the_dds_profile() -> None:
    node = depth_node()
    assert (node["package"], node["executable"], node["name"], node["namespace"]) == (
        "defocus_depth",
        "depth_node",
        "depth",
        "",
    )
    assert node["parameters"] == [str(ROOT / "config" / "depth.yaml"), {"autostart": True, "use_sim_time": False}]
    assert node["remappings"] == [(topic, topic) for topic in ("image", "camera_info", "lens_state")]
    assert node["additional_env"] == dict.fromkeys(PROFILE_VARIABLES, PROFILE)
    assert all(Path(file).is_file() for file in (node["parameters"][0], PROFILE))


def test_arguments_reach_the_node() -> None:
    node = depth_node(
        namespace="robot",
        params_file="mine.yaml",
        image="/camera/image_raw",
        lens_file="123",
        publish_points="true",
        autostart="false",
        use_sim_time="true",
        dds_profile="",
        log_level="debug",
    )
    params_file, overrides = node["parameters"]
    assert params_file == "mine.yaml" and node["namespace"] == "robot"
    assert ("image", "/camera/image_raw") in node["remappings"]
    assert overrides.pop("lens_file").args == ("123",)  # a ParameterValue: stays a string
    assert overrides == {"autostart": False, "use_sim_time": True, "publish_points": True}
    assert node["additional_env"] == {} and node["ros_arguments"] == ["--log-level", "debug"]


def test_every_overridden_parameter_exists() -> None:
    strings = {"lens_file": "a", "model": "b", "backend": "auto", "image_transport": "raw"}
    numbers = {"focus_distance_m": "inf", "depth_min_m": "0.4", "min_confidence": "1"}
    given = {**strings, **numbers, "publish_points": "true"}
    overrides = depth_node(**given)["parameters"][1]
    assert overrides.keys() - {"use_sim_time"} == {*given, "autostart"}
    assert overrides.keys() - {"use_sim_time"} <= {spec.name for spec in parameter_specs()}
    assert [overrides[name] for name in numbers] == [float("inf"), 0.4, 1.0]
    assert all(isinstance(getattr(DepthNodeParameters(), name), float) for name in numbers)
    with pytest.raises(ValueError, match="depth_min_m: expected a number, got '0,4'"):
        depth_node(depth_min_m="0,4")
    for name in strings:
        assert overrides[name].fields == {"value_type": str} and isinstance(getattr(DepthNodeParameters(), name), str)


def engine_builder(**given: str) -> list[str]:
    """The command that depth.launch.py runs instead of the node."""
    found = entities("depth.launch.py")
    function = [entity for entity in found if type(entity).__name__ == "OpaqueFunction"][0].fields["function"]
    (process,) = function({**arguments(found), "build_only": "true", **given})
    assert type(process).__name__ == "ExecuteProcess"
    return process.fields["cmd"]


def test_build_only_builds_the_engines_of_the_nodes_model(tmp_path: Path) -> None:
    command = ["/prefix/lib/defocus_depth/defocus_depth", "build-engine"]
    assert engine_builder() == command
    assert engine_builder(model="/m.onnx", backend="auto") == [*command, "/m.onnx"]
    assert engine_builder(backend="tensorrt_rtx") == [*command, "--flavour", "tensorrt_rtx"]
    params_file = tmp_path / "mine.yaml"
    params_file.write_text(
        "/**:\n  ros__parameters:\n    threads: 1\ndepth:\n  ros__parameters:\n    model: /mine.onnx\n"
    )
    assert engine_builder(params_file=str(params_file)) == [*command, "/mine.onnx"]


@pytest.mark.parametrize(
    ("written", "given", "flavour"),
    [
        ("tensorrt_rtx", "", ["--flavour", "tensorrt_rtx"]),
        ("tensorrt", "tensorrt_rtx", ["--flavour", "tensorrt_rtx"]),
        ("tensorrt_rtx", "auto", []),
        ("openvino", "", []),
    ],
)
def test_build_only_builds_for_the_nodes_backend(tmp_path: Path, written: str, given: str, flavour: list[str]) -> None:
    params_file = tmp_path / "mine.yaml"
    params_file.write_text(f"depth:\n  ros__parameters:\n    backend: {written}\n")
    assert engine_builder(params_file=str(params_file), backend=given)[2:] == flavour


@pytest.mark.parametrize("variable", PROFILE_VARIABLES)
def test_a_profile_in_the_environment_is_left_alone(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "theirs.xml")
    assert depth_node()["additional_env"] == {}
    assert not [
        entity for entity in entities("simulation.launch.py") if type(entity).__name__ == "SetEnvironmentVariable"
    ]


def test_the_simulation_starts_camera_depth_node_and_on_request_rviz() -> None:
    found = entities("simulation.launch.py")
    environment = {entity.args for entity in found if type(entity).__name__ == "SetEnvironmentVariable"}
    assert environment == {(name, PROFILE) for name in PROFILE_VARIABLES}
    camera, rviz = (entity.fields for entity in found if type(entity).__name__ == "Node")
    assert (camera["package"], camera["executable"]) == ("defocus_depth", "simulated_camera")
    assert rviz["condition"].args[0].args == ("rviz",) and Path(rviz["arguments"][1]).is_file()
    (include,) = (entity for entity in found if type(entity).__name__ == "IncludeLaunchDescription")
    assert Path(include.args[0].args[0]).name == "depth.launch.py"
    passed_on = {name: value.args[0] for name, value in include.fields["launch_arguments"]}
    assert passed_on == {name: name for name in passed_on}
    assert passed_on.keys() <= arguments(found).keys() & arguments(entities("depth.launch.py")).keys()
    assert arguments(found)["lens_file"] == "robot"


def test_a_replay_wants_to_be_told_the_bag_and_its_lens() -> None:
    defaults = arguments(entities("replay.launch.py"))
    assert [name for name, value in defaults.items() if value is None] == ["bag", "lens_file"]  # None: required


def replayed(**given: str) -> tuple[dict[str, Any], list[Any]]:
    """Launch arguments of the depth node, and the command line of the player but for its executable."""
    found = entities("replay.launch.py")
    (actions,) = (entity.fields["function"] for entity in found if type(entity).__name__ == "OpaqueFunction")
    process, depth = actions({**arguments(found), **given})
    assert Path(depth.args[0].args[0]).name == "depth.launch.py"
    assert type(process).__name__ == "ExecuteProcess" and type(process.fields["on_exit"]).__name__ == "Shutdown"
    executable, *command = process.fields["cmd"]
    assert executable.args == ("defocus_depth", "defocus_depth")
    return dict(depth.fields["launch_arguments"]), command


def test_a_replay_measures_the_node_on_the_bags_clock() -> None:
    depth, player = replayed(bag="hall.mcap", image="/camera/image_raw", lens_file="robot")
    assert depth == {
        "image": "/camera/image_raw", "camera_info": "camera_info", "lens_state": "lens_state", "lens_file": "robot",
        "model": "", "backend": "", "image_transport": "raw", "use_sim_time": "true",
    }  # fmt: skip
    assert depth.keys() <= arguments(entities("depth.launch.py")).keys()
    assert player == [
        "replay", "hall.mcap", "--node", "/depth", "--image-topic", "/camera/image_raw",
        "--rate", "1.0", "--clock-hz", "100.0", "--lens", "robot",
    ]  # fmt: skip


def test_every_argument_of_a_replay_reaches_its_command_line() -> None:
    from defocus_depth.cli import COMMANDS

    given = {
        "lens_file": "nyu",
        "camera_info": "/info",
        "lens_state": "/lens",
        "ground_truth": "/depth",
        "json": "a",
        "report": "b",
    }
    depth, player = replayed(bag="hall.mcap", image="/camera", image_transport="compressed", rate="0.5", **given)
    assert (depth["camera_info"], depth["lens_state"], depth["image_transport"]) == ("/info", "/lens", "compressed")
    assert "/camera/compressed" in player
    import importlib

    import tyro

    options = tyro.cli(importlib.import_module(COMMANDS["replay"].module).Options, args=player[1:])
    assert (options.rate, options.node, options.lens) == (0.5, "/depth", "nyu")
    recorded = options.recorded
    assert (recorded.camera_info_topic, recorded.lens_state_topic) == ("/info", "/lens")
    assert recorded.ground_truth_topic == "/depth"
    assert (str(options.json), str(options.report)) == ("a", "b")


def capture_node(**given: str) -> dict[str, Any]:
    """What the Node action of capture.launch.py is made with."""
    found = entities("capture.launch.py")
    function = [entity for entity in found if type(entity).__name__ == "OpaqueFunction"][0].fields["function"]
    (node,) = function({**arguments(found), **given})
    return node.fields


def test_the_capture_node_gets_what_was_given_and_the_dds_profile() -> None:
    from defocus_training.capture.node import CaptureNodeParameters

    plain = capture_node()
    assert (plain["package"], plain["executable"], plain["name"]) == ("defocus_depth", "capture_node", "capture")
    assert plain["parameters"] == [{}] and plain["additional_env"] == dict.fromkeys(PROFILE_VARIABLES, PROFILE)
    given = {"out": "/data", "driver": "v4l2", "near_m": "0.4", "count": "7", "bag": "true", "image": "/camera/image"}
    node = capture_node(**given)
    (parameters,) = node["parameters"]
    assert ("image", "/camera/image") in node["remappings"] and ("lens_state", "lens_state") in node["remappings"]
    assert {name: value.args[0] for name, value in parameters.items()} == {
        name: value for name, value in given.items() if name != "image"
    }
    defaults = {spec.name: type(spec.default) for spec in parameter_specs(CaptureNodeParameters)}
    assert {name: value.fields["value_type"] for name, value in parameters.items()} == {
        name: defaults[name] for name in parameters
    }
    offered = set(arguments(entities("capture.launch.py"))) - {"namespace", "image", "camera_info", "lens_state"}
    assert offered - {"dds_profile", "params_file"} <= defaults.keys()
    assert capture_node(params_file="my.yaml", out="/data")["parameters"][0] == "my.yaml"
