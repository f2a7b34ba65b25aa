#!/bin/bash
# Healthy while the depth node is active. ROS_DOMAIN_ID and the namespace are the container's own.
set -e
# shellcheck disable=SC1090
source "/opt/ros/${ROS_DISTRO}/setup.bash"
ros2 lifecycle get "${DEPTH_NODE:-/depth}" | grep -q '^active'
