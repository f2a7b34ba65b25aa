"""A serialised engine, loaded onto the GPU and bound to a workspace's buffers by its tensors' names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ....errors import BackendError
from .adapter import Library
from .buffers import Shape, Workspace


class EngineNotTakenError(BackendError):
    """A serialised engine that the library does not take: for another version of it, or another GPU."""


class Engine:
    """An engine with an execution context of its own.

    Args:
        engine: serialised, trusted: deserialising runs what it holds.
        input_shapes: of every input.
        runtime_cache: kernels compiled before (TensorRT for RTX), or empty.

    Attributes:
        inputs, outputs: shape and NumPy type of each tensor, by name.

    Raises:
        EngineNotTakenError: it is of another version or GPU.
        BackendError: it does not fit into memory.
    """

    def __init__(
        self,
        library: Library,
        workspace: Workspace,
        engine: bytes,
        input_shapes: Mapping[str, Shape],
        runtime_cache: bytes = b"",
    ) -> None:
        self._library, self._workspace = library, workspace
        self.inputs: dict[str, tuple[Shape, npt.DTypeLike]] = {}
        self.outputs: dict[str, tuple[Shape, npt.DTypeLike]] = {}
        library.problems.clear()
        self._runtime: Any = library.trt.Runtime(library.log)
        self._engine: Any = _deserialised(library, self._runtime, engine)
        self._context: Any
        self._cache: Any
        self._context, self._cache = library.context(self._engine, runtime_cache)
        if self._context is None:
            raise BackendError(f"{library.flavour.name}: no execution context: {library.complaint()}")
        self._set_shapes(input_shapes)
        self._bind()

    def enqueue(self) -> None:
        """Enqueue one inference on the workspace's stream."""
        if not self._context.execute_async_v3(self._workspace.stream):
            raise BackendError(f"{self._library.flavour.name}: inference failed: {self._library.complaint()}")

    def runtime_cache(self) -> bytes:
        """The kernels compiled for this GPU so far, to start from next time; empty where the flavour has none."""
        content = None if self._cache is None else self._cache.serialize()
        return b"" if content is None else bytes(content)

    def close(self) -> None:
        """Let go of the library's objects, context first: it refers to the engine, the engine to the runtime."""
        self._cache = None
        self._context = None
        self._engine = None
        self._runtime = None

    def _set_shapes(self, shapes: Mapping[str, Shape]) -> None:
        for name, shape in shapes.items():
            if not self._context.set_input_shape(name, shape):
                raise BackendError(f"input {name}: expected a shape of the engine's profile, got {shape}")

    def _bind(self) -> None:
        trt = self._library.trt
        for index in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(index)
            shape = tuple(self._context.get_tensor_shape(name))
            dtype = np.dtype(trt.nptype(self._engine.get_tensor_dtype(name)))
            ports = self.inputs if self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT else self.outputs
            ports[name] = (shape, dtype)
            nbytes = int(np.prod(shape)) * dtype.itemsize
            self._context.set_tensor_address(name, self._workspace.device(name, nbytes))


def require_taken(library: Library, engine: bytes) -> None:
    """Load a serialised, trusted engine once, to see whether it is for this machine.

    Where memory lacks it passes: that shows when it is loaded for good, and another would need as much.

    Raises:
        EngineNotTakenError: it is of another version or GPU.
    """
    library.problems.clear()
    try:
        _deserialised(library, library.trt.Runtime(library.log), engine)
    except EngineNotTakenError:
        raise
    except BackendError:
        pass


def _deserialised(library: Library, runtime: Any, engine: bytes) -> Any:
    loaded = runtime.deserialize_cuda_engine(engine)
    if loaded is None and _lacks_memory(library):  # built anew it would need as much
        raise BackendError(f"{library.flavour.name}: expected memory for the engine: {library.complaint()}")
    if loaded is None:
        expected = f"an engine of {library.flavour.name} {library.version} for this GPU"
        raise EngineNotTakenError(f"expected {expected}: {library.complaint()}")
    return loaded


def _lacks_memory(library: Library) -> bool:
    """Whether what it logged is about memory: it returns nothing else. Its advice to load kernels lazily is not."""
    problems = [problem.lower() for problem in library.problems]
    return any("memory" in problem and "lazy loading" not in problem for problem in problems)
