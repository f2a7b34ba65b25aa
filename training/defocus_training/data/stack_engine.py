"""Where procedural stacks are made: on one core, or with the heavy parts on a GPU."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass

from defocus_depth.errors import ConfigError

from .procedural import Renderer, render_layers
from .simulated import Tracer, trace_frames
from .teacher import TeacherEngine

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class StackEngine:
    """What blurs layers, traces rays, and looks at the frames for the teacher."""

    render: Renderer = render_layers
    trace: Tracer = trace_frames
    teacher: TeacherEngine = TeacherEngine()


def stack_engine(device: str = "auto") -> StackEngine:
    """The engine on `cpu` or `cuda`; `auto`: on CUDA where this process may use it.

    A data process may not: they are forked, and CUDA does not survive that.

    Raises:
        ConfigError: `cuda` is wanted where it cannot be had.
    """
    if device == "cpu":
        return StackEngine()
    missing = _missing_for_cuda()
    if missing and device == "auto":
        if "NVVM" in missing:
            _LOG.warning("stacks are made on one core: expected %s", missing)
        return StackEngine()
    if missing:
        raise ConfigError(f"stacks on cuda: expected {missing}")
    return _cuda_engine()


def _missing_for_cuda() -> str | None:
    import torch
    from torch.utils.data import get_worker_info

    if get_worker_info() is not None:
        return "no data process (CUDA does not survive the fork)"
    if not torch.cuda.is_available():
        return "a CUDA device for PyTorch, found none"
    from ..cuda import cuda

    return None if cuda.is_available() else "libNVVM for numba, found none (pip install 'numba-cuda[cu13]' 'numpy<2.5')"


@functools.cache
def _cuda_engine() -> StackEngine:
    import torch

    from ..fitting.cuda_median import fill_medians_on_gpu
    from ..fitting.torch_cost_volume import torch_cost_volume
    from .cuda_blur import render_layers_on_gpu
    from .cuda_rays import trace_on_gpu

    costs = functools.partial(torch_cost_volume, device=torch.device("cuda"))
    return StackEngine(render_layers_on_gpu, trace_on_gpu, TeacherEngine(costs, fill_medians_on_gpu))
