"""Named buffers on one stream: each is allocated once, by the first who asks for it, and shared by all after that."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt

from ....errors import BackendError
from .device import Gpu

Shape = tuple[int, ...]
_RUNS_BEFORE_CAPTURE = 1  # the first run may allocate and compile, which no capture allows


class Workspace:
    """Device memory by the tensors' names, pinned host memory for those that cross the bus, and their stream.

    Args:
        parent: a workspace whose stream and device memory are shared; None: a stream of its own.
    """

    def __init__(self, gpu: Gpu, parent: Workspace | None = None) -> None:
        self.gpu = gpu
        self._stack = ExitStack()
        self._device: dict[str, tuple[int, int]] = {} if parent is None else dict(parent._device)
        self._pinned: dict[str, npt.NDArray[Any]] = {}
        gpu.activate()
        self.stream = gpu.create_stream() if parent is None else parent.stream
        if parent is None:
            self._stack.callback(gpu.destroy_stream, self.stream)

    def device(self, name: str, nbytes: int) -> int:
        """Address of the tensor's `nbytes` on the device.

        Raises:
            BackendError: no memory, or the tensor is there already with another size.
        """
        if name not in self._device:
            address = self.gpu.allocate(nbytes)
            self._stack.callback(self.gpu.free, address)
            self._device[name] = (address, nbytes)
        address, held = self._device[name]
        if held != nbytes:
            raise BackendError(f"tensor {name}: expected {held} bytes as in the engine before it, got {nbytes}")
        return address

    def pinned(self, name: str, shape: Shape, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Page-locked memory of the host for the tensor, as an array that is good until `close`."""
        if name not in self._pinned:
            self._pinned[name] = self._allocate_pinned(shape, np.dtype(dtype))
        return self._pinned[name]

    def upload(self, name: str) -> None:
        """Enqueue the copy of the tensor's pinned memory to the device."""
        self.gpu.upload(*self._device_and_host(name), self.stream)

    def download(self, name: str) -> None:
        """Enqueue the copy of the tensor from the device to its pinned memory."""
        address, pinned, nbytes = self._device_and_host(name)
        self.gpu.download(pinned, address, nbytes, self.stream)

    def close(self) -> None:
        """Free everything; a second time does nothing."""
        self._pinned.clear()
        self.gpu.activate()
        self._stack.close()

    def _device_and_host(self, name: str) -> tuple[int, int, int]:
        array = self._pinned[name]
        return self.device(name, array.nbytes), array.ctypes.data, array.nbytes

    def _allocate_pinned(self, shape: Shape, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        nbytes = int(np.prod(shape)) * dtype.itemsize
        address = self.gpu.allocate_pinned(nbytes)
        self._stack.callback(self.gpu.free_pinned, address)
        memory = (ctypes.c_uint8 * nbytes).from_address(address)
        return np.frombuffer(memory, dtype).reshape(shape)  # pyright: ignore  (a buffer, as any)


class Sequence:
    """What is enqueued for every image. With `capture` it is recorded once as a CUDA graph and launched as one."""

    def __init__(self, workspace: Workspace, enqueue: Callable[[], None], capture: bool) -> None:
        self._workspace = workspace
        self._enqueue = enqueue
        self._capture = capture
        self._graph: int | None = None
        self._runs = 0

    def run(self) -> None:
        """Enqueue everything and wait for it."""
        gpu, stream = self._workspace.gpu, self._workspace.stream
        gpu.activate()
        if self._capture and self._graph is None and self._runs >= _RUNS_BEFORE_CAPTURE:
            self._record()
        if self._graph is None:
            self._enqueue()
        else:
            gpu.launch(self._graph, stream)
        gpu.synchronise(stream)
        self._runs += 1

    def close(self) -> None:
        """Free the graph; a second time does nothing."""
        graph, self._graph = self._graph, None
        if graph is not None:
            self._workspace.gpu.activate()
            self._workspace.gpu.destroy_graph(graph)

    def _record(self) -> None:
        """Not every engine can be captured: where CUDA refuses, the steps stay what they are, one after the other."""
        gpu, stream = self._workspace.gpu, self._workspace.stream
        self._capture = False
        try:
            gpu.begin_capture(stream)
        except BackendError:
            return
        try:
            self._enqueue()
        except BackendError:
            self._abandon()
        else:
            self._graph = self._finished()

    def _finished(self) -> int | None:
        try:
            return self._workspace.gpu.end_capture(self._workspace.stream)
        except BackendError:
            return None

    def _abandon(self) -> None:
        graph = self._finished()  # also ends the stream's capture
        if graph is not None:
            self._workspace.gpu.destroy_graph(graph)
