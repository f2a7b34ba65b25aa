# The depth node on a Jetson Orin with JetPack 6.1 (L4T r36.4) or later. TensorRT 10.3, CUDA 12.6, ROS 2 Humble,
# Python 3.10. Build it on the Jetson:
#   docker build -f docker/jetson.Dockerfile -t defocus_depth:jetson .
# A tag, not a digest: none could be looked up. NVIDIA's tags name one release each.
FROM nvcr.io/nvidia/l4t-jetpack:r36.4.0 AS ros
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 ROS_DISTRO=humble
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl \
 && curl -fsSL https://raw.githubusercontent.com/ros/rosdistro/master/ros.key -o /usr/share/keyrings/ros.gpg \
 && echo "deb [arch=$(dpkg --print-architecture) signed-by=/usr/share/keyrings/ros.gpg]" \
      "http://packages.ros.org/ros2/ubuntu jammy main" > /etc/apt/sources.list.d/ros2.list \
 && apt-get update \
 && apt-get install -y --no-install-recommends \
      python3-libnvinfer python3-pip python3-venv ros-humble-cv-bridge ros-humble-ros-base ros-humble-stereo-msgs \
 && rm -rf /var/lib/apt/lists/*

FROM ros AS build
WORKDIR /src
COPY . .
# numpy 1: what ROS's cv_bridge is built for. TensorRT's own bindings are seen through the venv.
RUN python3 -m venv --system-site-packages /opt/defocus_depth \
 && /opt/defocus_depth/bin/pip install --no-cache-dir --upgrade 'pip>=24' 'setuptools>=64,<80' \
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
# uid 1000, as the Jetson's first user: nodes that share memory, and engines, must be of one user. USER names no group:
# if it did, the others would not hold, and the GPU's device files belong to `video`.
RUN useradd --create-home --uid 1000 --groups video robot && install -d -o robot -g robot -m 700 /engines
USER 1000
WORKDIR /home/robot
VOLUME /engines
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 CMD ["healthcheck.sh"]
ENTRYPOINT ["entrypoint.sh"]
CMD ["ros2", "launch", "defocus_depth", "depth.launch.py"]
