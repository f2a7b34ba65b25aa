"""The depth node on a rosbag, measured as a robot would see it: drops, latency, CPU and memory.

ros2 launch defocus_depth replay.launch.py bag:=hall.mcap image:=/camera/image_raw lens_file:=robot json:=figures.json
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.substitutions import ExecutableInPackage

from launch import LaunchDescription

SHARE = get_package_share_directory("defocus_depth")
PROFILE = os.path.join(SHARE, "config", "fastdds_shm.xml")
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
# Passed on to depth.launch.py as they are.
PASSED_ON = ("image", "camera_info", "lens_state", "lens_file", "model", "backend", "image_transport")
OWN_NAMES = {"camera_info": "camera_info", "lens_state": "lens_state"}
# Options of `defocus_depth replay`, given only where they are set.
REPLAY_OPTIONS = {
    "lens_file": "--lens",
    "camera_info": "--camera-info-topic",
    "lens_state": "--lens-state-topic",
    "ground_truth": "--ground-truth-topic",
    "json": "--json",
    "report": "--report",
}


def generate_launch_description():
    """Arguments, player, depth node on the bag's clock; when the bag has been played, everything ends."""
    return LaunchDescription([*_arguments(), *_dds_environment(), OpaqueFunction(function=_actions)])


def _arguments():
    described = (
        ("bag", None, "rosbag2 folder, single .mcap or .db3 file, or ROS 1 .bag file."),
        ("rate", "1.0", "Speed: 1 = as recorded."),
        ("clock_hz", "100.0", "Rate of /clock (Hz of wall time); the node runs on it."),
        ("image", "/image", "Topic of the bag's images, without /compressed."),
        ("camera_info", "", "Topic of the bag's camera_info; empty: none."),
        ("lens_state", "", "Topic of the bag's lens state; empty: the lens file's focus distance holds."),
        ("ground_truth", "", "Topic of the bag's depth images, for comparing; empty: none."),
        # No default: another camera's bag through the reference lens would give metres that mean nothing.
        ("lens_file", None, "Lens YAML of the bag's camera, or the name of one in config/lenses."),
        ("model", "", "Model file NAME.onnx; empty: the one shipped in the package."),
        ("backend", "", "Inference backend; empty: the fastest."),
        ("image_transport", "raw", "raw or compressed."),
        ("json", "", "Write what was measured to this file; empty: none."),
        ("report", "", "Write a report of the comparison into this folder; empty: none."),
    )
    return [DeclareLaunchArgument(name, default_value=value, description=text) for name, value, text in described]


def _dds_environment():
    if any(name in os.environ for name in PROFILE_VARIABLES):
        return []
    return [SetEnvironmentVariable(name, PROFILE) for name in PROFILE_VARIABLES]


def _actions(context):
    """Player and node; all arguments are read first, because an included file changes them."""
    names = ("bag", "rate", "clock_hz", *PASSED_ON, *REPLAY_OPTIONS)
    given = {name: LaunchConfiguration(name).perform(context) for name in names}
    return [_player(given), _depth(given)]


def _depth(given):
    # Topics that the bag lacks keep the node's own names: nobody publishes there.
    passed_on = {name: given[name] or OWN_NAMES.get(name, "") for name in PASSED_ON}
    source = PythonLaunchDescriptionSource(os.path.join(SHARE, "launch", "depth.launch.py"))
    return IncludeLaunchDescription(source, launch_arguments=[*passed_on.items(), ("use_sim_time", "true")])


def _player(given):
    image = given["image"] + ("/compressed" if given["image_transport"] == "compressed" else "")
    command = [ExecutableInPackage("defocus_depth", "defocus_depth"), "replay", given["bag"]]
    command += ["--node", "/depth", "--image-topic", image, "--rate", given["rate"], "--clock-hz", given["clock_hz"]]
    for name, option in REPLAY_OPTIONS.items():
        if given[name]:
            command += [option, given[name]]
    return ExecuteProcess(cmd=command, output="screen", on_exit=Shutdown(reason="the bag has been played"))
