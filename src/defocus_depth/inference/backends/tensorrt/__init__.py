"""TensorRT: the backend on NVIDIA GPUs, for TensorRT 10 and 11 and for TensorRT for RTX.

`adapter` names what differs between the flavours, `builder` makes engines, `cache` keeps them and `kernels` what is
compiled for them, `engine` runs them in `buffers` on the memory of `device`, `backend` puts these together, `loading`
chooses by comparison with the CPU, and `ahead` builds beforehand. `surface` lists every attribute of the libraries that
is used.
"""

from __future__ import annotations

from ..base import Backend, BackendRequest


def load(request: BackendRequest) -> Backend:
    """The registry's entry `tensorrt`."""
    from .adapter import TENSORRT
    from .loading import load_flavour

    return load_flavour(request, TENSORRT)


def load_rtx(request: BackendRequest) -> Backend:
    """The registry's entry `tensorrt_rtx`."""
    from .adapter import TENSORRT_RTX
    from .loading import load_flavour

    return load_flavour(request, TENSORRT_RTX)
