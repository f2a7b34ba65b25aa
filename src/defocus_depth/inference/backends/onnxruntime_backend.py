"""ONNX Runtime on the CPU: runs wherever OpenVINO does not."""

from __future__ import annotations

from typing import Any

import onnxruntime as ort

from ...errors import BackendError, ModelError
from ...types import FloatArray
from ..artifact import OUTPUT_NAMES
from .base import BackendRequest, check_inputs, check_interface, closed, require_f32

_PROVIDERS = ["CPUExecutionProvider"]
_ERRORS_ONLY = 3


class OnnxRuntimeBackend:
    """A session whose symbolic height and width are fixed before the graph is optimised."""

    name = "onnxruntime"

    def __init__(self, request: BackendRequest) -> None:
        require_f32(request, self.name)
        self._request = request
        self._session: ort.InferenceSession | None = _session(request)

    def run(self, image: FloatArray, lens: FloatArray) -> dict[str, FloatArray]:
        """See `Backend.run`."""
        if self._session is None:
            raise closed(self.name)
        check_inputs(self._request, image, lens)
        try:
            maps = self._session.run(list(OUTPUT_NAMES), {"image": image, "lens": lens})
        except Exception as error:  # its exceptions share no other base
            raise BackendError(f"onnxruntime: inference failed: {error}") from error
        return dict(zip(OUTPUT_NAMES, maps, strict=True))  # type: ignore[arg-type]

    def close(self) -> None:
        """See `Backend.close`."""
        self._session = None


def load(request: BackendRequest) -> OnnxRuntimeBackend:
    """The registry's entry."""
    return OnnxRuntimeBackend(request)


def _session(request: BackendRequest) -> ort.InferenceSession:
    """The graph is read twice: its dimensions' names, the exporter's choice, must be known before it is optimised."""
    unoptimised = _options(request)
    unoptimised.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    graph = _open(request, unoptimised)
    inputs = graph.get_inputs()
    check_interface(request, [port.name for port in inputs], [port.name for port in graph.get_outputs()])
    options = _options(request)
    lengths = {"image": [1, 3, request.height, request.width], "lens": [1, 2]}
    for port in inputs:
        _fix_dimensions(request, options, port, lengths[port.name])
    return _open(request, options)


def _open(request: BackendRequest, options: ort.SessionOptions) -> ort.InferenceSession:
    path = request.artifact.onnx_path
    try:
        return ort.InferenceSession(path, options, providers=_PROVIDERS)
    except Exception as error:  # its exceptions share no other base
        raise ModelError(f"{path}: expected an ONNX graph that ONNX Runtime can read: {error}") from error


def _fix_dimensions(request: BackendRequest, options: ort.SessionOptions, port: Any, lengths: list[int]) -> None:
    found = port.shape
    fits = len(found) == len(lengths) and all(
        not isinstance(dimension, int) or dimension == length for dimension, length in zip(found, lengths, strict=True)
    )
    if not fits:
        path = request.artifact.onnx_path
        raise ModelError(f"{path}: input {port.name}: expected a shape that takes {lengths}, got {found}")
    for dimension, length in zip(found, lengths, strict=True):
        if isinstance(dimension, str):
            options.add_free_dimension_override_by_name(dimension, length)


def _options(request: BackendRequest) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = request.threads
    options.inter_op_num_threads = 1
    # Spinning threads would take the camera driver's and the middleware's time between images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
