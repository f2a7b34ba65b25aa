"""PyTorch on an exported program (`<name>.pt2`): on CUDA the way to run without TensorRT, on the CPU a yardstick.

The program is `(image, lens) -> (defocus, depth, coc, inv_depth_scale, confidence)` (a mapping by these names is
taken as well) with height and width dynamic. It needs no model class. Only a file whose hash the sidecar names is
loaded. torch itself is imported only once that file has been found: it costs seconds and hundreds of megabytes.

Its f32 is float32 by torch's own settings, which let cuDNN's convolutions round the factors of products to TF32, as
TensorRT and ONNX Runtime do with f32 on a GPU: `fidelity` allows for it.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import BackendError, BackendUnavailableError, ModelError
from ...types import FloatArray
from ..artifact import INPUT_NAMES, LENS_SHAPE, OUTPUT_NAMES, verify_sha256
from .base import BackendRequest, check_inputs, check_lens, chosen_precision, closed

if TYPE_CHECKING:
    import torch

_LOG = logging.getLogger(__name__)
_WARM_UP_RUNS = 3


class TorchBackend:
    """An exported program on one device (`cpu` or `cuda`)."""

    def __init__(self, request: BackendRequest, name: str, device: str) -> None:
        path = _program_path(request, name)
        self.precision = chosen_precision(request, name)
        import torch

        if device == "cuda" and not torch.cuda.is_available():
            raise BackendUnavailableError(f"{name}: expected a CUDA device, torch {torch.__version__} finds none")
        if request.threads:
            torch.set_num_threads(request.threads)
        self.name = name
        self._request = request
        self._device = device
        self._torch = torch
        program = _load_program(path, device)
        self._program: Callable[..., Any] | None = program
        if device == "cuda":
            self._program = captured(torch, program, [(1, 3, request.height, request.width), LENS_SHAPE])

    def run(self, image: FloatArray, lens: FloatArray) -> dict[str, FloatArray]:
        """See `Backend.run`."""
        if self._program is None:
            raise closed(self.name)
        check_inputs(self._request, image, lens)
        try:
            with self._torch.inference_mode():
                tensors = [self._torch.from_numpy(values).to(self._device) for values in (image, lens)]
                maps = _by_name(self._program(*tensors))
                return {name: values.cpu().numpy() for name, values in maps.items()}
        except (RuntimeError, AssertionError, ValueError) as error:  # AssertionError: a guard of the program
            reason = str(error).partition("\n")[0]  # what follows is advice to programmers
            raise BackendError(f"{self.name}: inference failed: {reason}") from error

    def close(self) -> None:
        """See `Backend.close`."""
        self._program = None
        if self._device == "cuda":
            _give_back(self._torch)


def captured(torch: Any, program: Callable[..., Any], shapes: Sequence[tuple[int, ...]]) -> Callable[..., Any]:
    """The program recorded as a CUDA graph for these input shapes; the program itself where it cannot be recorded.

    The outputs of a graph lie in its own memory, and hold until it runs again.
    """
    try:
        return _CudaGraph(torch, program, shapes)
    except RuntimeError as error:
        _LOG.info("not captured as a CUDA graph: %s", error)
        return program


class _CudaGraph:
    """Without it the launches of hundreds of small kernels take longer than the kernels."""

    def __init__(self, torch: Any, program: Callable[..., Any], shapes: Sequence[tuple[int, ...]]) -> None:
        self._program = program  # the graph knows the weights by address only: dropped, others would write over them
        with torch.inference_mode():
            self._inputs = [torch.full(shape, 0.5, device="cuda") for shape in shapes]
            self._warm_up(torch, program)
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._outputs = program(*self._inputs)

    def __call__(self, *tensors: torch.Tensor) -> Any:
        for kept, given in zip(self._inputs, tensors, strict=True):
            kept.copy_(given)
        self._graph.replay()
        return self._outputs

    def _warm_up(self, torch: Any, program: Callable[..., Any]) -> None:
        """On a stream of its own, as torch asks for before a capture: libraries choose their kernels meanwhile."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP_RUNS):
                program(*self._inputs)
        torch.cuda.current_stream().wait_stream(stream)


def load_cpu(request: BackendRequest) -> TorchBackend:
    """The registry's entry `torch`."""
    return TorchBackend(request, "torch", "cpu")


def load_cuda(request: BackendRequest) -> TorchBackend:
    """The registry's entry `torch_cuda`."""
    return TorchBackend(request, "torch_cuda", "cuda")


def _program_path(request: BackendRequest, name: str) -> Path:
    path = request.artifact.exported_program_path
    expected = request.artifact.sidecar.pt2_sha256
    if expected is None or not path.is_file():
        raise BackendUnavailableError(f"{name}: expected {path.name} beside the model: export with --format pt2")
    verify_sha256(path, expected)
    return path


def _load_program(path: Path, device: str) -> Callable[..., Any]:
    import torch
    from torch.export.passes import move_to_device_pass

    try:
        program = torch.export.load(path)
        lens_shape = _lens_shape(program)
        module = (program if device == "cpu" else move_to_device_pass(program, device)).module()
    except Exception as error:  # a damaged archive shows as many kinds of error
        raise ModelError(f"{path}: expected a program that torch {torch.__version__} can load: {error}") from error
    check_lens(path, lens_shape)
    return module


def _lens_shape(program: torch.export.ExportedProgram) -> list[Any]:
    """Lengths that the program was exported for; symbols where they are dynamic."""
    wanted = list(program.graph_signature.user_inputs)[INPUT_NAMES.index("lens")]
    (node,) = (node for node in program.graph.nodes if node.op == "placeholder" and node.name == wanted)
    return list(node.meta["val"].shape)


def _give_back(torch: Any) -> None:
    """Return to the driver what a dropped program held: torch keeps freed memory, and programs hold themselves.

    Their modules and graphs refer to each other, so that only the collector frees the weights; the memory of a CUDA
    graph is a pool of its own, which torch neither reuses nor returns by itself.
    """
    gc.collect()
    torch.cuda.empty_cache()


def _by_name(outputs: Any) -> dict[str, torch.Tensor]:
    if isinstance(outputs, Mapping):
        return dict(outputs)
    return dict(zip(OUTPUT_NAMES, outputs, strict=True))
