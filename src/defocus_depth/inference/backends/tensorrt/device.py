"""The GPU's memory, streams and graphs: all that the backend asks of CUDA itself, through NVIDIA's cuda-python.

CUDA's driver API, not its runtime: it is loaded from the driver that the machine has, whatever CUDA came with.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Protocol

from ....errors import BackendError, BackendUnavailableError


@dataclass(frozen=True)
class GpuIdentity:
    """What engines are built for: the GPU's name, and its compute capability as in `8.7`."""

    name: str
    capability: str

    def __str__(self) -> str:
        return f"{self.name}, {self.capability}"


class Gpu(Protocol):
    """One GPU. Addresses, streams and graphs are handles that mean something to CUDA only.

    Every method raises BackendError where CUDA refuses.
    """

    identity: GpuIdentity

    def activate(self) -> None:
        """To be called by every thread before it calls anything else here."""
        ...

    def create_stream(self) -> int:
        """A stream of one's own, not synchronised with the default stream."""
        ...

    def destroy_stream(self, stream: int) -> None: ...

    def allocate(self, nbytes: int) -> int:
        """Address of memory on the device."""
        ...

    def free(self, address: int) -> None: ...

    def allocate_pinned(self, nbytes: int) -> int:
        """Address of page-locked memory on the host, which copies to and from the device need not wait for."""
        ...

    def free_pinned(self, address: int) -> None: ...

    def upload(self, address: int, pinned: int, nbytes: int, stream: int) -> None:
        """Enqueue a copy from pinned host memory to the device."""
        ...

    def download(self, pinned: int, address: int, nbytes: int, stream: int) -> None:
        """Enqueue a copy from the device to pinned host memory."""
        ...

    def synchronise(self, stream: int) -> None:
        """Wait until everything enqueued is done."""
        ...

    def begin_capture(self, stream: int) -> None:
        """From now on what is enqueued is recorded, not run."""
        ...

    def end_capture(self, stream: int) -> int:
        """The recorded graph, ready to be launched."""
        ...

    def launch(self, graph: int, stream: int) -> None: ...

    def destroy_graph(self, graph: int) -> None: ...

    def close(self) -> None:
        """Let go of the GPU."""
        ...


def open_gpu(index: int = 0) -> Gpu:
    """The GPU with this index.

    Raises:
        BackendUnavailableError: cuda-python, the driver or the GPU is missing.
    """
    try:
        driver = importlib.import_module("cuda.bindings.driver")
    except (ImportError, OSError, RuntimeError) as error:
        raise BackendUnavailableError(f"CUDA: cannot be imported ({error}): pip install 'cuda-bindings<13'") from error
    try:
        return CudaGpu(driver, index)
    except (BackendError, RuntimeError) as error:  # RuntimeError: cuda-python finds no libcuda
        raise BackendUnavailableError(f"expected an NVIDIA driver and GPU: {error}") from error


class CudaGpu:
    """`Gpu` by cuda-python: `driver` is its module `cuda.bindings.driver`."""

    def __init__(self, driver: Any, index: int) -> None:
        self._driver = driver
        self._checked("cuInit", driver.cuInit(0))
        self._device = self._checked("cuDeviceGet", driver.cuDeviceGet(index))
        self.identity = self._identity()
        self._context = self._checked("cuDevicePrimaryCtxRetain", driver.cuDevicePrimaryCtxRetain(self._device))

    def activate(self) -> None:
        self._checked("cuCtxSetCurrent", self._driver.cuCtxSetCurrent(self._context))

    def create_stream(self) -> int:
        flags = self._driver.CUstream_flags.CU_STREAM_NON_BLOCKING
        return int(self._checked("cuStreamCreate", self._driver.cuStreamCreate(flags)))

    def destroy_stream(self, stream: int) -> None:
        self._checked("cuStreamDestroy", self._driver.cuStreamDestroy(stream))

    def allocate(self, nbytes: int) -> int:
        return int(self._checked(f"cuMemAlloc of {nbytes} bytes", self._driver.cuMemAlloc(nbytes)))

    def free(self, address: int) -> None:
        self._checked("cuMemFree", self._driver.cuMemFree(address))

    def allocate_pinned(self, nbytes: int) -> int:
        return int(self._checked(f"cuMemHostAlloc of {nbytes} bytes", self._driver.cuMemHostAlloc(nbytes, 0)))

    def free_pinned(self, address: int) -> None:
        self._checked("cuMemFreeHost", self._driver.cuMemFreeHost(address))

    def upload(self, address: int, pinned: int, nbytes: int, stream: int) -> None:
        self._checked("cuMemcpyHtoDAsync", self._driver.cuMemcpyHtoDAsync(address, pinned, nbytes, stream))

    def download(self, pinned: int, address: int, nbytes: int, stream: int) -> None:
        self._checked("cuMemcpyDtoHAsync", self._driver.cuMemcpyDtoHAsync(pinned, address, nbytes, stream))

    def synchronise(self, stream: int) -> None:
        self._checked("cuStreamSynchronize", self._driver.cuStreamSynchronize(stream))

    def begin_capture(self, stream: int) -> None:
        mode = self._driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._checked("cuStreamBeginCapture", self._driver.cuStreamBeginCapture(stream, mode))

    def end_capture(self, stream: int) -> int:
        recorded = self._checked("cuStreamEndCapture", self._driver.cuStreamEndCapture(stream))
        try:
            return int(self._checked("cuGraphInstantiate", self._driver.cuGraphInstantiate(recorded, 0)))
        finally:
            self._checked("cuGraphDestroy", self._driver.cuGraphDestroy(recorded))

    def launch(self, graph: int, stream: int) -> None:
        self._checked("cuGraphLaunch", self._driver.cuGraphLaunch(graph, stream))

    def destroy_graph(self, graph: int) -> None:
        self._checked("cuGraphExecDestroy", self._driver.cuGraphExecDestroy(graph))

    def close(self) -> None:
        self._checked("cuDevicePrimaryCtxRelease", self._driver.cuDevicePrimaryCtxRelease(self._device))

    def _identity(self) -> GpuIdentity:
        attribute = self._driver.CUdevice_attribute
        name = self._checked("cuDeviceGetName", self._driver.cuDeviceGetName(128, self._device))
        capability = [
            self._checked("cuDeviceGetAttribute", self._driver.cuDeviceGetAttribute(wanted, self._device))
            for wanted in (
                attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
                attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
            )
        ]
        return GpuIdentity(name.split(b"\0")[0].decode(), ".".join(map(str, capability)))

    def _checked(self, call: str, result: tuple[Any, ...]) -> Any:
        """The value of a call of cuda-python, which returns (status, value)."""
        status, *values = result
        if status != self._driver.CUresult.CUDA_SUCCESS:
            raise BackendError(f"CUDA: {call}: expected CUDA_SUCCESS, got {status.name}")
        return values[0] if values else None
