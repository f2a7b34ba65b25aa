"""The simulated focusing camera, the depth node on its images and, with rviz:=true, RViz to look at both.

ros2 launch defocus_depth simulation.launch.py rviz:=true
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription

SHARE = get_package_share_directory("defocus_depth")
PROFILE = os.path.join(SHARE, "config", "fastdds_shm.xml")
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
PASSED_ON = ("namespace", "lens_file", "model", "backend", "publish_points", "autostart")


def generate_launch_description():
    """Arguments, camera, depth node, RViz."""
    return LaunchDescription([*_arguments(), *_dds_environment(), _camera(), _depth(), _rviz()])


def _arguments():
    described = (
        ("namespace", "", "Namespace of both nodes and of their topics."),
        ("lens_file", "robot", "Lens YAML of the depth node; the simulated camera has the reference lens."),
        ("model", "", "Model file NAME.onnx; empty: the one shipped in the package."),
        ("backend", "", "Inference backend; empty: the fastest."),
        ("publish_points", "true", "Publish ~/points where somebody subscribes to it."),
        ("autostart", "true", "Configure and activate the depth node."),
        ("rviz", "false", "Start RViz."),
    )
    return [DeclareLaunchArgument(name, default_value=value, description=text) for name, value, text in described]


def _dds_environment():
    if any(name in os.environ for name in PROFILE_VARIABLES):
        return []
    return [SetEnvironmentVariable(name, PROFILE) for name in PROFILE_VARIABLES]


def _camera():
    return Node(
        package="defocus_depth",
        executable="simulated_camera",
        name="simulated_camera",
        namespace=LaunchConfiguration("namespace"),
        output="screen",
    )


def _depth():
    source = PythonLaunchDescriptionSource(os.path.join(SHARE, "launch", "depth.launch.py"))
    passed_on = {name: LaunchConfiguration(name) for name in PASSED_ON}
    return IncludeLaunchDescription(source, launch_arguments=passed_on.items())


def _rviz():
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", os.path.join(SHARE, "config", "defocus_depth.rviz")],
        condition=IfCondition(LaunchConfiguration("rviz")),
        output="screen",
    )
