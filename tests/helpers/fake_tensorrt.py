"""Stand-ins at the device-memory boundary: a GPU whose memory is NumPy's, and a TensorRT whose engines run on it.

The network's engine computes the function of the tiny model (tests/conftest.py), the pixels' engine the formula of
`pixel_graph`, so that everything around them can be compared with the CPU.
"""

from __future__ import annotations

import ctypes
import itertools
import json
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from defocus_depth.errors import BackendError
from defocus_depth.inference import LENS_SHAPE, OUTPUT_NAMES
from defocus_depth.inference.artifact import Sidecar, Variant, file_sha256, variant_path
from defocus_depth.inference.backends.tensorrt import device


class FakeGpu:
    """Keeps account of everything handed out; what is enqueued runs at once, or is recorded while capturing."""

    identity = device.GpuIdentity("Fake RTX 1", "8.9")

    def __init__(self) -> None:
        self.live: dict[int, tuple[str, Any]] = {}
        self.users = 0
        self.launches = 0
        self.refuse_capture = False
        self.out_of_memory_after: int | None = None
        self._handles = itertools.count(1)
        self._recording: list[Callable[[], None]] | None = None

    def open(self) -> FakeGpu:
        self.users += 1
        return self

    def close(self) -> None:
        self.users -= 1

    def activate(self) -> None: ...

    def create_stream(self) -> int:
        return self._keep("stream", None)

    def destroy_stream(self, stream: int) -> None:
        self._drop("stream", stream)

    def allocate(self, nbytes: int) -> int:
        if self.out_of_memory_after is not None and len(self.live) >= self.out_of_memory_after:
            raise BackendError(f"CUDA: cuMemAlloc of {nbytes} bytes: expected CUDA_SUCCESS, got OUT_OF_MEMORY")
        return self._keep_memory("device", nbytes)

    def free(self, address: int) -> None:
        self._drop("device", address)

    def allocate_pinned(self, nbytes: int) -> int:
        return self._keep_memory("pinned", nbytes)

    def free_pinned(self, address: int) -> None:
        self._drop("pinned", address)

    def upload(self, address: int, pinned: int, nbytes: int, stream: int) -> None:
        self.submit(
            stream, lambda: ctypes.memmove(self._check("device", address), self._check("pinned", pinned), nbytes)
        )

    def download(self, pinned: int, address: int, nbytes: int, stream: int) -> None:
        self.submit(
            stream, lambda: ctypes.memmove(self._check("pinned", pinned), self._check("device", address), nbytes)
        )

    def synchronise(self, stream: int) -> None:
        assert self._recording is None, "synchronised while capturing"

    def begin_capture(self, stream: int) -> None:
        if self.refuse_capture:
            raise BackendError("CUDA: cuStreamBeginCapture: expected CUDA_SUCCESS, got UNSUPPORTED")
        self._recording = []

    def end_capture(self, stream: int) -> int:
        recorded, self._recording = self._recording, None
        return self._keep("graph", recorded)

    def launch(self, graph: int, stream: int) -> None:
        self.launches += 1
        for action in self.live[graph][1]:
            action()

    def destroy_graph(self, graph: int) -> None:
        self._drop("graph", graph)

    def submit(self, stream: int, action: Callable[[], Any]) -> None:
        """What a kernel launch does."""
        self._check("stream", stream)
        if self._recording is None:
            action()
        else:
            self._recording.append(action)

    def memory(self, address: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """The device's memory as an array."""
        buffer = self.live[self._check("device", address)][1]
        return np.frombuffer(buffer, dtype).reshape(shape)

    def _keep(self, kind: str, content: Any) -> int:
        handle = next(self._handles)
        self.live[handle] = (kind, content)
        return handle

    def _keep_memory(self, kind: str, nbytes: int) -> int:
        buffer = (ctypes.c_uint8 * nbytes)()
        self.live[ctypes.addressof(buffer)] = (kind, buffer)
        return ctypes.addressof(buffer)

    def _drop(self, kind: str, handle: int) -> None:
        del self.live[self._check(kind, handle)]

    def _check(self, kind: str, handle: int) -> int:
        assert self.live[handle][0] == kind
        return handle


def compute_network(values: dict[str, np.ndarray], fault: str) -> dict[str, np.ndarray]:
    """The tiny model, or one of the ways in which reduced precision spoils a network."""
    mean = values["image"].mean(axis=1, keepdims=True)
    gain, focus, nearest = values["lens"][0]
    inverse = np.minimum(0.5 + 2 * mean, nearest)
    coc = gain * (focus - inverse)
    maps: dict[str, np.ndarray] = dict(
        zip(OUTPUT_NAMES, (np.abs(coc), 1 / inverse, coc, 0.05 * inverse, mean), strict=True)
    )
    if fault == "scale":
        maps["depth"] = maps["depth"] * 1.2
    elif fault == "scale per frame":
        maps["depth"] = maps["depth"] * (1 + np.float32(mean.mean() - 0.35))
    elif fault == "nan":
        maps["depth"][..., 0, 0] = np.nan
    return maps


def compute_pixels(values: dict[str, np.ndarray], fault: str) -> dict[str, np.ndarray]:
    """The formula of `pixel_graph`."""
    planes = values["table"][values["pixels"].astype(int)].transpose(0, 3, 1, 2)
    resampled = values["rows"] @ (planes @ values["columns"])
    image = (resampled.transpose(0, 2, 3, 1) @ values["mix"]).transpose(0, 3, 1, 2)
    return {"image": image + (0.1 if fault else 0)}


class FakeTensorRt(ModuleType):
    """As much of TensorRT as `surface` lists. `faults` maps an ONNX file's bytes to what its engines do wrong."""

    __version__ = "10.3.0"

    def __init__(self, name: str, gpu: FakeGpu) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        self.gpu = gpu
        self.faults: dict[bytes, str] = {}
        self.built: list[str] = []
        self.serialised: list[bytes] = []
        self.refused_engines: set[bytes] = set()
        self.refusal = ("engine of another version",)
        self.lens_shape = LENS_SHAPE
        self.kernels = b""
        self.received_kernels: list[bytes] = []
        trt = self

        class ILogger:
            WARNING, ERROR, INTERNAL_ERROR = 2, 1, 0

        class IProgressMonitor: ...

        class Enumeration:
            WORKSPACE = "workspace"
            STRONGLY_TYPED = 1
            INPUT, OUTPUT = "input", "output"
            WHOLE_GRAPH_CAPTURE = "whole graph"
            __members__ = dict.fromkeys(("NONE", "CURRENT", "SM120", "SM75", "SM80", "SM86", "SM89"))

        class Port:
            def __init__(self, name: str, shape: tuple[int, ...]) -> None:
                self.name, self.shape = name, shape
                self.dtype = type("DataType", (), {"name": "FLOAT"})

        class Network:
            num_inputs, num_outputs = 2, 1
            graph = b""

            def get_input(self, index: int) -> Port:
                return (Port("image", (1, 3, -1, -1)), Port("lens", trt.lens_shape))[index]

            def get_output(self, index: int) -> Port:
                return Port("depth", (1, 1, -1, -1))

        class Config:
            progress_monitor: Any

            def set_memory_pool_limit(self, pool: str, size: int) -> None: ...
            def add_optimization_profile(self, profile: Any) -> None: ...
            def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> None: ...

            def create_timing_cache(self, content: bytes) -> Any:
                return type("Cache", (), {"serialize": lambda self: content + b"t"})()

        class Builder:
            def __init__(self, logger: Any) -> None: ...

            def create_network(self, flags: int) -> Network:
                assert flags == 2  # 1 << STRONGLY_TYPED
                return Network()

            def create_builder_config(self) -> Config:
                return Config()

            def create_optimization_profile(self) -> Any:
                return type("Profile", (), {"set_shape": lambda self, *shapes: None})()

            def build_serialized_network(self, network: Network, config: Config) -> bytes | None:
                config.progress_monitor.phase_start("tactics", None, 1)
                if not config.progress_monitor.step_complete("tactics", 0):
                    return None
                config.progress_monitor.phase_finish("tactics")
                fault = trt.faults.get(network.graph, "")
                kind = "pixels" if b"columns" in network.graph else "network"
                trt.built.append(kind)
                trt.serialised.append(json.dumps({"kind": kind, "fault": fault, "number": len(trt.built)}).encode())
                return trt.serialised[-1]

        class OnnxParser:
            num_errors = 1

            def __init__(self, network: Network, logger: Any) -> None:
                self._network = network

            def parse(self, graph: bytes) -> bool:
                self._network.graph = graph
                return trt.faults.get(graph) != "parse"

            def get_error(self, index: int) -> str:
                return "unsupported node"

        class Context:
            def __init__(self, about: dict[str, str]) -> None:
                self.about, self.shapes, self.addresses = about, {}, {}

            def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
                self.shapes[name] = tuple(shape)
                return True

            def get_tensor_shape(self, name: str) -> tuple[int, ...]:
                if name in self.shapes:
                    return self.shapes[name]
                if name == "image":
                    return (1, 3, self.shapes["rows"][0], self.shapes["columns"][1])
                return (1, 1, *self.shapes["image"][2:])

            def set_tensor_address(self, name: str, address: int) -> bool:
                self.addresses[name] = address
                return True

            def execute_async_v3(self, stream: int) -> bool:
                if self.about["fault"] == "run":
                    return False
                trt.gpu.submit(stream, self._execute)
                return True

            def _execute(self) -> None:
                types = {"pixels": np.uint8}
                values = {
                    name: trt.gpu.memory(self.addresses[name], shape, types.get(name, np.float32))
                    for name, shape in self.shapes.items()
                }
                compute = compute_pixels if self.about["kind"] == "pixels" else compute_network
                for name, result in compute(values, self.about["fault"]).items():
                    trt.gpu.memory(self.addresses[name], result.shape, np.float32)[...] = result

        class RuntimeCache:
            def deserialize(self, content: bytes) -> bool:
                trt.received_kernels.append(content)
                return True

            def serialize(self) -> bytes:
                return trt.kernels

        class RuntimeConfig:
            cuda_graph_strategy = "disabled"

            def create_runtime_cache(self) -> RuntimeCache:
                return RuntimeCache()

            def set_runtime_cache(self, cache: RuntimeCache) -> bool:
                return True

        class Engine:
            def __init__(self, about: dict[str, str]) -> None:
                self.about = about
                pixels = about["kind"] == "pixels"
                self._inputs = ("pixels", "table", "rows", "columns", "mix") if pixels else ("image", "lens")
                self._names = (*self._inputs, *(("image",) if pixels else OUTPUT_NAMES))
                self.num_io_tensors = len(self._names)

            def get_tensor_name(self, index: int) -> str:
                return self._names[index]

            def get_tensor_dtype(self, name: str) -> str:
                return "uint8" if name == "pixels" else "float32"

            def get_tensor_mode(self, name: str) -> str:
                return "input" if name in self._inputs else "output"

            def create_runtime_config(self) -> RuntimeConfig:
                return RuntimeConfig()

            def create_execution_context(self, config: RuntimeConfig | None = None) -> Context:
                assert config is None or config.cuda_graph_strategy == "whole graph"
                return Context(self.about)

        class Runtime:
            def __init__(self, logger: Any) -> None:
                self._logger = logger

            def deserialize_cuda_engine(self, engine: bytes) -> Engine | None:
                about = json.loads(engine)
                if about["fault"] == "load" or engine in trt.refused_engines:
                    for complaint in trt.refusal:
                        self._logger.log(1, complaint)
                    return None
                return Engine(about)

        self.ILogger, self.IProgressMonitor = ILogger, IProgressMonitor
        self.Builder, self.OnnxParser, self.Runtime = Builder, OnnxParser, Runtime
        self.NetworkDefinitionCreationFlag = self.MemoryPoolType = self.TensorIOMode = Enumeration
        self.CudaGraphStrategy = self.ComputeCapability = Enumeration

    @staticmethod
    def nptype(dtype: str) -> np.dtype:
        return np.dtype(dtype)


def model_with_variants(make_tiny_model: Callable[..., Path], folder: Path, *precisions: Any) -> Path:
    """The tiny model, with variants that are files of other bytes."""
    path = make_tiny_model(folder)
    variants = {}
    for precision in precisions:
        file = variant_path(path, precision)
        file.write_bytes(path.read_bytes() + precision.encode())
        variants[precision] = Variant(sha256=file_sha256(file), metrics={})
    sidecar = path.with_suffix(".json")
    Sidecar.read(sidecar).model_copy(update={"variants": variants}).write(sidecar)
    return path
