"""Focal-stack capture on the robot: the node `capture`; ros2 service call /capture/capture std_srvs/srv/Trigger.

ros2 launch defocus_depth capture.launch.py lens_file:=/data/lens.yaml driver:=ros_parameter camera_node:=/camera \
    focus_parameter:=LensPosition locks:='AfMode=0 AeEnable=false' \
    image:=/camera/image_raw camera_info:=/camera/camera_info out:=/data/stacks
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from launch import LaunchDescription

SHARE = get_package_share_directory("defocus_depth")
PROFILE = os.path.join(SHARE, "config", "fastdds_shm.xml")
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
TOPICS = ("image", "camera_info", "lens_state")
# Parameters of the node that may be given on the command line; where empty, the params file or the defaults hold.
TYPES = {
    "out": str,
    "driver": str,
    "camera": str,
    "lens_file": str,
    "device": str,
    "camera_node": str,
    "focus_parameter": str,
    "locks": str,
    "near_m": float,
    "far_m": float,
    "count": int,
    "frames_per_step": int,
    "bag": bool,
}


def generate_launch_description():
    """Arguments, and the node that they describe."""
    return LaunchDescription([*_arguments(), OpaqueFunction(function=_node)])


def _arguments():
    described = (
        ("namespace", "", "Namespace of the node and of its topics."),
        ("image", "image", "Topic of the camera's images."),
        ("camera_info", "camera_info", "Topic of the camera's calibration."),
        ("lens_state", "lens_state", "Topic on which the focus distance is told during sweeps."),
        ("params_file", "", "YAML file with parameters of the node: all of them, `capture_node --help` lists them."),
        ("out", "", "Folder of the stacks; empty: focal_stacks where the node runs."),
        ("driver", "", "simulated, v4l2, ros_parameter or i2c_vcm."),
        ("camera", "", "auto, v4l2 or ros_topic."),
        ("lens_file", "", "Lens YAML with a focus_curve; empty: stacks without focus distances."),
        ("device", "", "Camera device of v4l2."),
        ("camera_node", "", "Camera node of ros_parameter."),
        ("focus_parameter", "", "Parameter of the camera node that moves the focus."),
        ("locks", "", "Parameters of the camera node to set while capturing: 'AfMode=0 AeEnable=false'."),
        ("near_m", "", "Nearest focus distance (m)."),
        ("far_m", "", "Farthest focus distance (m, inf allowed)."),
        ("count", "", "Number of focus steps."),
        ("frames_per_step", "", "Pictures averaged for each step."),
        ("bag", "", "true: also write each stack as an .mcap bag."),
        ("dds_profile", PROFILE, "Fast DDS profile, unless the environment names one already; empty: none."),
    )
    return [DeclareLaunchArgument(name, default_value=value, description=text) for name, value, text in described]


def _node(context):
    def value(name):
        return LaunchConfiguration(name).perform(context)

    given = {name: ParameterValue(value(name), value_type=kind) for name, kind in TYPES.items() if value(name)}
    return [
        Node(
            package="defocus_depth",
            executable="capture_node",
            name="capture",
            namespace=value("namespace"),
            parameters=[*filter(None, [value("params_file")]), given],
            remappings=[(topic, value(topic)) for topic in TOPICS],
            additional_env=_dds_environment(value("dds_profile")),
            output="screen",
        )
    ]


def _dds_environment(profile):
    if not profile or any(name in os.environ for name in PROFILE_VARIABLES):
        return {}
    return dict.fromkeys(PROFILE_VARIABLES, profile)
