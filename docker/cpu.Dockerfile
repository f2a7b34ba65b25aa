# The depth node and the demo on any x86-64 or ARM machine, without a GPU. ROS 2 Jazzy, Python 3.12.
#   docker build -f docker/cpu.Dockerfile -t defocus_depth:cpu .
# The image of 2026-09-16, for amd64 and arm64; the digest is from Docker's own list of official images, repo-info.
FROM ros:jazzy-ros-base-noble@sha256:c3706ef0a0aa45413c07803cf433602f543b22e45b4855f6fca955c2d8ecc4e8 AS ros

FROM ros AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-pip python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# numpy 1: what the image's rclpy and cv_bridge are built for.
RUN python3 -m venv --system-site-packages /opt/defocus_depth \
 && /opt/defocus_depth/bin/pip install --no-cache-dir 'numpy<2' '.[cpu]'
# `ros2 run` and `ros2 launch` look for executables in lib/<package>.
RUN mkdir -p /opt/defocus_depth/lib/defocus_depth \
 && ln -s -t /opt/defocus_depth/lib/defocus_depth \
      ../../bin/defocus_depth ../../bin/capture_node ../../bin/depth_node ../../bin/lens_state_node \
      ../../bin/simulated_camera

FROM ros
LABEL org.opencontainers.image.title="defocus_depth" org.opencontainers.image.licenses="Apache-2.0"
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      ros-jazzy-cv-bridge ros-jazzy-diagnostic-msgs ros-jazzy-lifecycle-msgs ros-jazzy-rmw-fastrtps-cpp \
      ros-jazzy-sensor-msgs ros-jazzy-stereo-msgs \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/defocus_depth /opt/defocus_depth
COPY docker/entrypoint.sh docker/healthcheck.sh /usr/local/bin/
ENV PATH=/opt/defocus_depth/bin:$PATH \
    RMW_IMPLEMENTATION=rmw_fastrtps_cpp
# uid 1000, which the image has: nodes that share memory must be run by one user.
USER 1000:1000
WORKDIR /home/ubuntu
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 CMD ["healthcheck.sh"]
ENTRYPOINT ["entrypoint.sh"]
CMD ["ros2", "launch", "defocus_depth", "depth.launch.py"]
