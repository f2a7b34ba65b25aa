# Fitting and training on an NVIDIA GPU: torch with CUDA, gsplat compiled while the image is built. No ROS.
#   docker build -f docker/training.Dockerfile -t defocus_depth:training .
# The digests are those that many public projects pin these tags to; nobody has pulled them for this one.
FROM nvidia/cuda:13.0.1-devel-ubuntu24.04@sha256:7d2f6a8c2071d911524f95061a0db363e24d27aa51ec831fcccf9e76eb72bc92 AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ git ninja-build python3-dev python3-pip python3-venv \
 && rm -rf /var/lib/apt/lists/*
# torch's wheel on PyPI for Linux is the CUDA 13 build; the compiler above must be of the same major version.
RUN python3 -m venv /opt/defocus_depth \
 && /opt/defocus_depth/bin/pip install --no-cache-dir 'setuptools<80' wheel ninja torch==2.13.0
# gsplat's wheel compiles itself at first use, for minutes: here it is compiled once, for Ampere to Blackwell.
ENV TORCH_CUDA_ARCH_LIST="8.0;8.6;8.9;9.0;12.0+PTX"
RUN /opt/defocus_depth/bin/pip install --no-cache-dir --no-build-isolation \
      'gsplat @ git+https://github.com/nerfstudio-project/gsplat.git@v1.5.3'
WORKDIR /src
COPY . .
# numba-cuda brings libNVVM, for making stacks on the GPU, and asks numpy for names that 2.5 has dropped.
# Not the extra `tensorrt`: it takes CUDA 12's bindings, this torch asks for CUDA 13's.
RUN /opt/defocus_depth/bin/pip install --no-cache-dir -c constraints.txt '.[cpu,training]' 'numba-cuda[cu13]' 'numpy<2.5'

FROM nvidia/cuda:13.0.1-runtime-ubuntu24.04@sha256:c3fde347d52d578c84fd644bc177bc7ec333feaf11550d990da4084d7612e4c7
LABEL org.opencontainers.image.title="defocus_depth training" org.opencontainers.image.licenses="Apache-2.0"
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/defocus_depth /opt/defocus_depth
COPY docker/entrypoint.sh /usr/local/bin/
ENV PATH=/opt/defocus_depth/bin:$PATH
USER 1000:1000
WORKDIR /home/ubuntu
# Well as long as the GPU answers.
HEALTHCHECK --interval=60s --timeout=30s --start-period=10s --retries=3 CMD ["nvidia-smi", "--list-gpus"]
ENTRYPOINT ["entrypoint.sh"]
CMD ["defocus_training", "--help"]
