"""Backends by name. A backend's module, and with it its library, is imported when it is first asked for."""

from __future__ import annotations

import dataclasses
import importlib
import logging
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...errors import (
    BackendError,
    BackendUnavailableError,
    ConfigError,
    EngineUnavailableError,
    ModelError,
    install_hint,
)
from .base import Backend, BackendRequest, check_maps

_LOG = logging.getLogger(__name__)
_ABSENT = logging.getLogger(f"{__package__}.absent")  # commands leave it to `doctor`; a node's log has it
AUTO = "auto"


class Entry(NamedTuple):
    """Where a backend is made: `module.function(request) -> Backend`, and what to install for it."""

    module: str
    function: str
    install: str


_TENSORRT = "comes with JetPack and with NVIDIA's containers, see docs/deploy.md"
BACKENDS: dict[str, Entry] = {
    "tensorrt": Entry("tensorrt", "load", _TENSORRT),
    "tensorrt_rtx": Entry("tensorrt", "load_rtx", install_hint("tensorrt-rtx")),
    "onnxruntime_gpu": Entry("onnxruntime_backend", "load_cuda", "pip install onnxruntime-gpu"),
    "torch_cuda": Entry("torch_backend", "load_cuda", "pip install torch (CUDA build)"),
    "openvino": Entry("openvino_backend", "load", "pip install openvino"),
    "onnxruntime": Entry("onnxruntime_backend", "load", "pip install onnxruntime"),
    "torch": Entry("torch_backend", "load_cpu", "pip install torch"),
}
# Fastest first. `torch` on a CPU is slower than both libraries made for it: by name only.
AUTO_ORDER = ("tensorrt", "tensorrt_rtx", "onnxruntime_gpu", "torch_cuda", "openvino", "onnxruntime")


def load_backend(name: str, request: BackendRequest) -> Backend:
    """The backend `name` (or the first of `AUTO_ORDER` that loads), ready: it has run once on a grey image.

    `auto` takes what is built already and never lets a backend compile for minutes.

    Raises:
        ConfigError: no backend has this name.
        BackendUnavailableError: its library or device is missing.
        BackendError: its library failed.
        ModelError: it cannot read the model, or the graph's interface is another.
    """
    if name == AUTO:
        return _load_first(request)
    if name not in BACKENDS:
        raise ConfigError(f"backend: expected one of {', '.join((AUTO, *BACKENDS))}, got {name!r}")
    backend = _make(name, request)
    try:
        _rehearse(backend, request)
    except BaseException:
        backend.close()
        raise
    return backend


def _load_first(request: BackendRequest) -> Backend:
    refusals: dict[str, BackendError | ModelError] = {}
    for name in AUTO_ORDER:
        try:
            return load_backend(name, dataclasses.replace(request, may_build=False))
        except (BackendError, ModelError) as error:
            refusals[name] = error
            absent = isinstance(error, BackendUnavailableError) and not isinstance(error, EngineUnavailableError)
            _log_once(_ABSENT if absent else _LOG, name, str(error))
    reasons = "; ".join(map(str, refusals.values()))
    broken_model = next((error for error in refusals.values() if isinstance(error, ModelError)), None)
    if broken_model is not None:
        raise ModelError(f"expected a model that one of the backends can run: {reasons}") from broken_model
    raise BackendUnavailableError(f"expected one of the backends to load, none did: {reasons}")


def _make(name: str, request: BackendRequest) -> Backend:
    entry = BACKENDS[name]
    try:
        module = importlib.import_module(f".{entry.module}", __package__)
        return getattr(module, entry.function)(request)
    except (ImportError, OSError) as error:  # OSError: a shared library of the package is missing
        raise BackendUnavailableError(f"{name}: cannot be imported ({error}): {entry.install}") from error


def _rehearse(backend: Backend, request: BackendRequest) -> None:
    """One run on a grey image: the first one is slow, and shows what the graph really gives."""
    grey = np.full((1, 3, request.height, request.width), 0.5, np.float32)
    check_maps(request, backend.run(grey, np.array([[8.0, 2.0, 3.0]], np.float32)))


@lru_cache(maxsize=64)
def _log_once(log: logging.Logger, name: str, reason: str) -> None:
    log.info("backend %s not used: %s", name, reason)
