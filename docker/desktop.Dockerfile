# The depth node on a workstation's or server's NVIDIA GPU. TensorRT 10.9, CUDA 12.8, ROS 2 Jazzy, Python 3.12.
#   docker build -f docker/desktop.Dockerfile -t defocus_depth:desktop .
# Needs an NVIDIA driver of version 570 or later and the NVIDIA container toolkit on the host.
# A tag, not a digest: none could be looked up. NVIDIA's tags name one release each.
FROM nvcr.io/nvidia/tensorrt:25.03-py3 AS ros
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 ROS_DISTRO=jazzy
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl \
 && curl -fsSL https://raw.githubusercontent.com/ros/rosdistro/master/ros.key -o /usr/share/keyrings/ros.gpg \
 && echo "deb [arch=$(dpkg --print-architecture) signed-by=/usr/share/keyrings/ros.gpg]" \
      "http://packages.ros.org/ros2/ubuntu noble main" > /etc/apt/sources.list.d/ros2.list \
 && apt-get update \
 && apt-get install -y --no-install-recommends \
      python3-pip python3-venv ros-jazzy-cv-bridge ros-jazzy-ros-base ros-jazzy-stereo-msgs \
 && rm -rf /var/lib/apt/lists/*

FROM ros AS build
WORKDIR /src
COPY . .
# numpy 1: what ROS's cv_bridge is built for. TensorRT's own bindings are seen through the venv.
RUN python3 -m venv --system-site-packages /opt/defocus_depth \
 && /opt/defocus_depth/bin/pip install --no-cache-dir 'numpy<2' '.[cpu,tensorrt]'
# `ros2 run` and `ros2 launch` look for executables in lib/<package>.
RUN mkdir -p /opt/defocus_depth/lib/defocus_depth \
 && ln -s -t /opt/defocus_depth/lib/defocus_depth \
      ../../bin/defocus_depth ../../bin/capture_node ../../bin/depth_node ../../bin/lens_state_node \
      ../../bin/simulated_camera

FROM ros
LABEL org.opencontainers.image.title="defocus_depth" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/defocus_depth /opt/defocus_depth
COPY docker/entrypoint.sh docker/healthcheck.sh /usr/local/bin/
ENV PATH=/opt/defocus_depth/bin:$PATH \
    RMW_IMPLEMENTATION=rmw_fastrtps_cpp \
    DEFOCUS_DEPTH_ENGINES=/engines
# uid 1000, which the image has: nodes that share memory, and engines, must be of one user.
RUN install -d -o ubuntu -g ubuntu -m 700 /engines
USER 1000:1000
WORKDIR /home/ubuntu
VOLUME /engines
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 CMD ["healthcheck.sh"]
ENTRYPOINT ["entrypoint.sh"]
CMD ["ros2", "launch", "defocus_depth", "depth.launch.py"]
