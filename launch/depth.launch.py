"""Depth from defocus: the lifecycle node `depth`, with the shared memory that images need.

ros2 launch defocus_depth depth.launch.py lens_file:=robot image:=/camera/image_raw camera_info:=/camera/camera_info
ros2 launch defocus_depth depth.launch.py lens_file:=/data/fixed_lens.yaml focus_distance_m:=0.5 depth_min_m:=0.6
ros2 launch defocus_depth depth.launch.py build_only:=true   # only builds the model's TensorRT engines, once
"""

import os

import yaml
from ament_index_python.packages import get_package_prefix, get_package_share_directory
from launch.actions import DeclareLaunchArgument, ExecuteProcess, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription

SHARE = get_package_share_directory("defocus_depth")
TOPICS = ("image", "camera_info", "lens_state")
# Parameters of the node that may be given on the command line; where empty, the params file holds.
STRINGS = ("lens_file", "model", "backend", "image_transport")
NUMBERS = ("focus_distance_m", "depth_min_m", "min_confidence")
FLAGS = ("autostart", "use_sim_time", "publish_points")
# Fast DDS 2 (Humble, Jazzy) reads the first, Fast DDS 3 (Kilted and later) the second.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def generate_launch_description():
    """Arguments, and the node that they describe."""
    return LaunchDescription([*_arguments(), OpaqueFunction(function=_node)])


def _arguments():
    params_file = os.path.join(SHARE, "config", "depth.yaml")
    profile = os.path.join(SHARE, "config", "fastdds_shm.xml")
    described = (
        ("namespace", "", "Namespace of the node and of its topics."),
        ("params_file", params_file, "YAML file with parameters of the node."),
        ("image", "image", "Topic of the camera's images, without /compressed."),
        ("camera_info", "camera_info", "Topic of the camera's calibration."),
        ("lens_state", "lens_state", "Topic of the lens's focus distance."),
        ("lens_file", "", "Lens YAML, or the name of one in config/lenses; empty: as in params_file."),
        ("focus_distance_m", "", "Focus distance (m, inf allowed) without lens_state; empty: as in params_file."),
        ("depth_min_m", "", "Nothing is nearer than this (m); empty: as in params_file."),
        ("min_confidence", "", "Depth with less confidence (0..1) becomes NaN; empty: as in params_file."),
        ("model", "", "Model file NAME.onnx; empty: as in params_file."),
        ("backend", "", "Inference backend; empty: as in params_file."),
        ("image_transport", "", "raw or compressed; empty: as in params_file."),
        ("publish_points", "", "true: also publish ~/points; empty: as in params_file."),
        ("autostart", "true", "Configure and activate the node; false: leave that to a lifecycle manager."),
        ("build_only", "false", "true: build the model's TensorRT engines instead of starting the node, then end."),
        ("use_sim_time", "false", "Use the clock of a simulation or a bag."),
        ("dds_profile", profile, "Fast DDS profile, unless the environment names one already; empty: none."),
        ("log_level", "info", "debug, info, warn, error or fatal."),
    )
    return [DeclareLaunchArgument(name, default_value=value, description=text) for name, value, text in described]


def _node(context):
    def value(name):
        return LaunchConfiguration(name).perform(context)

    def flag(name):
        return value(name).lower() in ("true", "1")

    if flag("build_only"):
        return [_engine_builder(value)]
    given = {name: ParameterValue(value(name), value_type=str) for name in STRINGS if value(name)}
    given |= {name: _number(name, value(name)) for name in NUMBERS if value(name)}
    # The node starts itself rather than on launch's ChangeState events: it then also does so when it is respawned,
    # no event can be lost while it is still loading, and a manual deactivate is not undone.
    flags = {name: flag(name) for name in FLAGS if value(name)}
    return [
        LifecycleNode(
            package="defocus_depth",
            executable="depth_node",
            name="depth",
            namespace=value("namespace"),
            parameters=[value("params_file"), {**flags, **given}],
            remappings=[(topic, value(topic)) for topic in TOPICS],
            ros_arguments=["--log-level", value("log_level")],
            additional_env=_dds_environment(value("dds_profile")),
            output="screen",
        )
    ]


def _number(name, text):
    try:
        return float(text)
    except ValueError as error:
        raise ValueError(f"{name}: expected a number, got {text!r}") from error


def _engine_builder(value):
    command = os.path.join(get_package_prefix("defocus_depth"), "lib", "defocus_depth", "defocus_depth")
    model, backend = (value(name) or _in_params(value("params_file"), name) for name in ("model", "backend"))
    flavour = ["--flavour", backend] if backend.startswith("tensorrt") else []
    return ExecuteProcess(cmd=[command, "build-engine", *([model] if model else []), *flavour], output="screen")


def _in_params(params_file, name):
    """The parameter of the file's nodes; empty where none has it: then the node's default holds."""
    with open(params_file, encoding="utf-8") as file:
        nodes = yaml.safe_load(file) or {}
    given = (node.get("ros__parameters", {}).get(name) for node in nodes.values() if isinstance(node, dict))
    return next((value for value in given if value), "")


def _dds_environment(profile):
    if not profile or any(name in os.environ for name in PROFILE_VARIABLES):
        return {}
    return dict.fromkeys(PROFILE_VARIABLES, profile)
