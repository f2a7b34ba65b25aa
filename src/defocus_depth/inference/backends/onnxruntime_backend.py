"""ONNX Runtime: on the CPU it runs wherever OpenVINO does not; with onnxruntime-gpu it is a way to CUDA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import BackendError, BackendUnavailableError, ModelError
from ...types import FloatArray
from ..artifact import LENS_SHAPE, OUTPUT_NAMES
from .base import BackendRequest, Precision, check_inputs, check_interface, chosen_precision, closed, graph_path, takes

if TYPE_CHECKING:
    import onnxruntime as ort

_ERRORS_ONLY = 3
_CUDA_LIBRARY = Path("capi", "libonnxruntime_providers_cuda.so")


@dataclass(frozen=True)
class Target:
    """Where a session computes: the backend's name, its execution provider, and the precisions it has."""

    name: str
    provider: str
    precisions: tuple[Precision, ...]


# f16 gains nothing on a CPU, but is computed there with its true rounding: it is how its accuracy is measured.
CPU = Target("onnxruntime", "CPUExecutionProvider", ("f32", "int8", "f16"))
CUDA = Target("onnxruntime_gpu", "CUDAExecutionProvider", ("f32", "f16"))


class OnnxRuntimeBackend:
    """A session whose symbolic height and width are fixed before the graph is optimised."""

    def __init__(self, request: BackendRequest, target: Target = CPU) -> None:
        self.name = target.name
        self._request = request
        self.precision = chosen_precision(request, self.name, target.precisions)
        path = graph_path(request, self.precision)
        self._session: ort.InferenceSession | None = _session(request, path, target)
        # Where its libraries or the driver are missing, a session falls back to the CPU with a warning only.
        _require_provider(target, self._session.get_providers())

    def run(self, image: FloatArray, lens: FloatArray) -> dict[str, FloatArray]:
        """See `Backend.run`."""
        if self._session is None:
            raise closed(self.name)
        check_inputs(self._request, image, lens)
        try:
            maps = self._session.run(list(OUTPUT_NAMES), {"image": image, "lens": lens})
        except Exception as error:  # its exceptions share no other base
            raise BackendError(f"{self.name}: inference failed: {error}") from error
        return dict(zip(OUTPUT_NAMES, maps, strict=True))  # type: ignore[arg-type]

    def close(self) -> None:
        """See `Backend.close`."""
        self._session = None


def load(request: BackendRequest) -> OnnxRuntimeBackend:
    """The registry's entry `onnxruntime`."""
    return OnnxRuntimeBackend(request)


def load_cuda(request: BackendRequest) -> OnnxRuntimeBackend:
    """The registry's entry `onnxruntime_gpu`."""
    _require_cuda_build()
    return OnnxRuntimeBackend(request, CUDA)


def _require_cuda_build() -> None:
    """Look for its library, so that the CPU build, which has the same name, is not imported in vain."""
    found = find_spec("onnxruntime")
    folders = found.submodule_search_locations if found else None
    if not any(Path(folder, _CUDA_LIBRARY).is_file() for folder in folders or ()):
        raise BackendUnavailableError(
            f"{CUDA.name}: expected {_CUDA_LIBRARY} in onnxruntime: pip install onnxruntime-gpu"
        )


def _require_provider(target: Target, found: Sequence[str]) -> None:
    if target.provider not in found:
        raise BackendUnavailableError(f"{target.name}: expected {target.provider}, got {', '.join(found)}")


def _session(request: BackendRequest, path: Path, target: Target) -> ort.InferenceSession:
    """The graph is read twice: its dimensions' names, the exporter's choice, must be known before it is optimised."""
    import onnxruntime as ort

    unoptimised = _options(request)
    unoptimised.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    graph = _open(path, unoptimised, CPU)
    inputs = graph.get_inputs()
    check_interface(request, {port.name: port.shape for port in inputs}, [port.name for port in graph.get_outputs()])
    options = _options(request)
    lengths = {"image": [1, 3, request.height, request.width], "lens": list(LENS_SHAPE)}
    for port in inputs:
        _fix_dimensions(path, options, port, lengths[port.name])
    return _open(path, options, target)


def _open(path: Path, options: ort.SessionOptions, target: Target) -> ort.InferenceSession:
    import onnxruntime as ort

    try:
        return ort.InferenceSession(path, options, providers=[target.provider])
    except Exception as error:  # its exceptions share no other base
        raise ModelError(f"{path}: expected an ONNX graph that ONNX Runtime can read: {error}") from error


def _fix_dimensions(path: Path, options: ort.SessionOptions, port: Any, lengths: list[int]) -> None:
    found = port.shape
    if not takes(found, lengths):
        raise ModelError(f"{path}: input {port.name}: expected a shape that takes {lengths}, got {found}")
    for dimension, length in zip(found, lengths, strict=True):
        if isinstance(dimension, str):
            options.add_free_dimension_override_by_name(dimension, length)


def _options(request: BackendRequest) -> ort.SessionOptions:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = request.threads
    options.inter_op_num_threads = 1
    # Spinning threads would take the camera driver's and the middleware's time between images.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
