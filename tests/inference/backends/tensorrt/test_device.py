"""The calls to CUDA's driver, against a stand-in that answers as cuda-python does."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from defocus_depth.errors import BackendError, BackendUnavailableError
from defocus_depth.inference.backends.tensorrt.device import CudaGpu, GpuIdentity, open_gpu
from defocus_depth.inference.backends.tensorrt.surface import CUDA_DRIVER

SUCCESS, FAILURE = SimpleNamespace(name="CUDA_SUCCESS"), SimpleNamespace(name="CUDA_ERROR_UNKNOWN")
VALUES = {"cuDeviceGetName": b"Orin\0\0", "cuDeviceGetAttribute": 8, "cuMemAlloc": 64, "cuMemHostAlloc": 128}


class Driver(ModuleType):
    """Every call succeeds, and is remembered with its arguments; those in `failing` do not."""

    def __init__(self, failing: tuple[str, ...] = ()) -> None:
        super().__init__("cuda.bindings.driver")
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.CUresult = SimpleNamespace(CUDA_SUCCESS=SUCCESS)
        self.CUstream_flags = SimpleNamespace(CU_STREAM_NON_BLOCKING="non blocking")
        self.CUstreamCaptureMode = SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL="thread local")
        self.CUdevice_attribute = SimpleNamespace(
            CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR="major", CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR="minor"
        )
        for name, count in CUDA_DRIVER.items():
            if count is not None:
                setattr(self, name, self._call(name, count, name in failing))

    def _call(self, name: str, count: int, fails: bool) -> Any:
        def call(*arguments: Any) -> tuple[Any, ...]:
            assert len(arguments) == count
            self.calls.append((name, arguments))
            return (FAILURE, None) if fails else (SUCCESS, VALUES.get(name, 7))

        return call


def test_who_the_gpu_is():
    assert CudaGpu(Driver(), 0).identity == GpuIdentity("Orin", "8.8")


def test_every_call_of_the_list_is_made():
    driver = Driver()
    gpu = CudaGpu(driver, 0)
    gpu.activate()
    stream = gpu.create_stream()
    address, pinned = gpu.allocate(100), gpu.allocate_pinned(100)
    assert (stream, address, pinned) == (7, 64, 128)
    gpu.upload(address, pinned, 100, stream)
    gpu.download(pinned, address, 100, stream)
    gpu.synchronise(stream)
    gpu.begin_capture(stream)
    graph = gpu.end_capture(stream)
    gpu.launch(graph, stream)
    gpu.destroy_graph(graph)
    gpu.free(address)
    gpu.free_pinned(pinned)
    gpu.destroy_stream(stream)
    gpu.close()
    calls = dict(driver.calls)
    assert set(calls) == {name for name, count in CUDA_DRIVER.items() if count is not None}
    assert calls["cuMemcpyHtoDAsync"] == (64, 128, 100, 7)  # destination first, in both directions
    assert calls["cuMemcpyDtoHAsync"] == (128, 64, 100, 7)
    assert calls["cuMemFree"] == (64,) and calls["cuMemFreeHost"] == (128,)


@pytest.mark.parametrize("name", ["cuMemAlloc", "cuMemHostAlloc"])
def test_what_cuda_refuses_is_a_backend_error(name: str):
    gpu = CudaGpu(Driver((name,)), 0)
    with pytest.raises(BackendError, match=f"CUDA: {name} of 99 bytes: expected CUDA_SUCCESS, got CUDA_ERROR_UNKNOWN"):
        gpu.allocate(99) if name == "cuMemAlloc" else gpu.allocate_pinned(99)


def test_a_graph_that_cannot_be_instantiated_leaves_no_recording_behind():
    driver = Driver(("cuGraphInstantiate",))
    with pytest.raises(BackendError, match="cuGraphInstantiate"):
        CudaGpu(driver, 0).end_capture(7)
    assert ("cuGraphDestroy", (7,)) in driver.calls


@pytest.mark.parametrize("name", ["cuInit", "cuDeviceGet"])
def test_a_machine_without_a_gpu(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", Driver((name,)))
    with pytest.raises(BackendUnavailableError, match=f"expected an NVIDIA driver and GPU: CUDA: {name}: expected"):
        open_gpu()


def test_a_machine_without_cuda_python(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", None)
    with pytest.raises(BackendUnavailableError, match="CUDA: cannot be imported .*: pip install 'cuda-bindings<13'"):
        open_gpu()
