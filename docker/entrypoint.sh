#!/bin/bash
# Sources the image's ROS and lets ament find what pip installed, then becomes the command.
set -e
if [ -n "${ROS_DISTRO:-}" ]; then
  # shellcheck disable=SC1090
  source "/opt/ros/${ROS_DISTRO}/setup.bash"
  export AMENT_PREFIX_PATH="/opt/defocus_depth:${AMENT_PREFIX_PATH}"
fi
exec "$@"
