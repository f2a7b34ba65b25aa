"""TensorRT and TensorRT for RTX as one library: what differs between them, and between their versions, is here.

| | tensorrt 10 | tensorrt 11 | tensorrt_rtx 1 |
| --- | --- | --- | --- |
| strongly typed networks | by flag | always | always |
| engines run on | the GPU model they were built on | the same | every GPU of the capabilities it names, or newer |
| builds without a GPU | no | no | yes |
| kernels timed while building, kept in a timing cache | yes | yes | no |
| kernels compiled at load, kept in a runtime cache | no | no | yes |
| CUDA graphs | captured by the caller | captured by the caller | by a setting of the context |
"""

from __future__ import annotations

import importlib
import logging
from collections import deque
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

from ....errors import BackendUnavailableError, install_hint
from .device import GpuIdentity

_LOG = logging.getLogger(__name__)
_REMEMBERED_PROBLEMS = 4
_OLDEST_BY_DEFAULT = (8, 0)


@dataclass(frozen=True)
class Flavour:
    """One of the two libraries.

    Attributes:
        name: of the backend, and of the Python module.
        install: how to get it.
        portable: engines are built without a GPU, and run on any GPU of the generations supported.
    """

    name: str
    install: str
    portable: bool


TENSORRT = Flavour("tensorrt", "comes with JetPack and with NVIDIA's containers, see docs/deploy.md", portable=False)
TENSORRT_RTX = Flavour("tensorrt_rtx", install_hint("tensorrt-rtx"), portable=True)
FLAVOURS = {flavour.name: flavour for flavour in (TENSORRT, TENSORRT_RTX)}


class Library:
    """An imported flavour.

    Attributes:
        trt: the Python module.
        version: of the library; engines are good for this one only.
        log: the logger that every object of the library is given.
        problems: the last warnings and errors it logged, newest last.
    """

    def __init__(self, flavour: Flavour, trt: Any) -> None:
        self.flavour = flavour
        self.trt = trt
        self.version: str = trt.__version__
        self.problems: deque[str] = deque(maxlen=_REMEMBERED_PROBLEMS)
        self.log = _logger(trt, self.problems)

    @property
    def network_flags(self) -> int:
        """For `create_network`: types as the graph gives them. TensorRT 10 must be told, later ones know no other."""
        flag = getattr(self.trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
        return 0 if flag is None else 1 << int(flag)

    @property
    def capabilities(self) -> list[tuple[int, int]]:
        """Compute capabilities (major, minor), rising, on which portable engines run; newer ones are taken as well.

        TensorRT for RTX names those it has kernels for. What is older than Ampere it names too, but builds for only
        when asked to (https://docs.nvidia.com/deeplearning/tensorrt-rtx/latest/inference-library/cpu-engines.html).
        """
        named = [name[2:] for name in self.trt.ComputeCapability.__members__ if name.startswith("SM")]
        return sorted(pair for pair in (divmod(int(digits), 10) for digits in named) if pair >= _OLDEST_BY_DEFAULT)

    def require_support(self, gpu: GpuIdentity) -> None:
        """Refuse, before anything is built, with a BackendUnavailableError a GPU that runs none of its engines.

        Engines that are not portable are built on the GPU itself: there the builder refuses, at once.
        """
        if not self.flavour.portable:
            return
        major, minor = map(int, gpu.capability.split("."))
        supported = self.capabilities
        if (major, minor) not in supported and (major, minor) < supported[-1]:
            wanted = ", ".join(f"{one}.{other}" for one, other in supported)
            raise BackendUnavailableError(
                f"{self.flavour.name} {self.version}: expected a GPU of compute capability {wanted} or newer, got "
                f"{gpu.capability} ({gpu.name}): use TensorRT itself (tensorrt), onnxruntime_gpu or torch_cuda"
            )

    def timing_cache(self, config: Any, content: bytes) -> Any:
        """The measurements of kernels that builds with `config` share; None where building measures nothing."""
        if self.flavour is TENSORRT_RTX:
            return None
        cache = config.create_timing_cache(content)
        config.set_timing_cache(cache, False)
        return cache

    def context(self, engine: Any, runtime_cache: bytes) -> tuple[Any, Any]:
        """An execution context of `engine`, and its runtime cache (None where the flavour has none).

        With TensorRT for RTX the context captures its own CUDA graph, and starts from the kernels in
        `runtime_cache` (empty: none yet).
        """
        if self.flavour is not TENSORRT_RTX:
            return engine.create_execution_context(), None
        config = engine.create_runtime_config()
        config.cuda_graph_strategy = self.trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        cache = config.create_runtime_cache()
        if runtime_cache and not cache.deserialize(runtime_cache):
            _LOG.info("%s: kernels kept from another driver or version are compiled anew", self.flavour.name)
        config.set_runtime_cache(cache)
        return engine.create_execution_context(config), cache

    def complaint(self) -> str:
        """What the library logged last, for an error's message."""
        return "; ".join(self.problems) or "no reason given"


def require_installed(flavour: Flavour) -> None:
    """Refuse, without importing it, with a BackendUnavailableError a flavour that is not installed."""
    if find_spec(flavour.name) is None:
        raise BackendUnavailableError(f"{flavour.name}: expected its Python package, not installed: {flavour.install}")


def import_library(flavour: Flavour) -> Library:
    """The flavour, imported: the same object for the life of the process.

    Raises:
        BackendUnavailableError: it is not installed, or a library of its own is missing.
    """
    try:
        return _library(flavour, importlib.import_module(flavour.name))
    except (ImportError, OSError, RuntimeError) as error:  # its packages raise all three where a library is missing
        raise BackendUnavailableError(f"{flavour.name}: cannot be imported ({error}): {flavour.install}") from error


@cache
def _library(flavour: Flavour, trt: Any) -> Library:
    """One for each module, never freed: the library keeps the first logger it is given as a bare pointer, for good."""
    return Library(flavour, trt)


def _logger(trt: Any, problems: deque[str]) -> Any:
    """A logger of the library's kind that keeps what went wrong and hands everything to Python's logging."""
    trouble = (trt.ILogger.WARNING, trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR)

    class Log(trt.ILogger):
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in trouble:
                problems.append(message)
            _LOG.debug("%s", message)

    return Log()
