"""From an ONNX graph to a serialised engine. Needs the library's builder; TensorRT for RTX needs no GPU for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ....errors import BackendError, ModelError
from .adapter import Library

Shape = tuple[int, ...]
Progress = Callable[[str, int, int], None]
"""(phase, steps done, steps in all) of the innermost phase that TensorRT reports."""
WORKSPACE_BYTES = 1 << 30


@dataclass(frozen=True)
class ShapeRange:
    """Smallest, usual and largest shape of an input."""

    smallest: Shape
    usual: Shape
    largest: Shape

    @classmethod
    def fixed(cls, shape: Shape) -> ShapeRange:
        """One shape only."""
        return cls(shape, shape, shape)


@dataclass(frozen=True)
class Tensor:
    """An input or output of a network: shape (−1 where dynamic) and type (`DataType` by name)."""

    name: str
    shape: Shape
    dtype: str


@dataclass(frozen=True)
class BuildOptions:
    """How to build.

    Attributes:
        shapes: of the inputs with dynamic dimensions, by name.
        workspace_bytes: the most that a layer may use as scratch memory.
        timing_cache: measurements of earlier builds, empty for none.
        progress: is told how far the build is; an exception that it raises ends the build.
        check: is given the graph's inputs before the build, and may refuse them by an exception.
    """

    shapes: Mapping[str, ShapeRange]
    workspace_bytes: int = WORKSPACE_BYTES
    timing_cache: bytes = b""
    progress: Progress = field(default=lambda phase, done, steps: None)
    check: Callable[[Sequence[Tensor]], None] = field(default=lambda inputs: None)


@dataclass(frozen=True)
class Plan:
    """A serialised engine, what goes in and out of it, and the measurements made on the way."""

    engine: bytes
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    timing_cache: bytes


def build_plan(library: Library, graph: bytes, options: BuildOptions) -> Plan:
    """Parse the ONNX `graph` and build an engine for one optimisation profile.

    Precision is the graph's own: the network is strongly typed.

    Raises:
        ModelError: the parser refuses the graph.
        BackendError: the library cannot build it.
    """
    library.problems.clear()
    builder = library.trt.Builder(library.log)
    network = builder.create_network(library.network_flags)
    _parse(library, network, graph)
    inputs = tuple(_tensor(network.get_input(index)) for index in range(network.num_inputs))
    options.check(inputs)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(library.trt.MemoryPoolType.WORKSPACE, options.workspace_bytes)
    config.add_optimization_profile(_profile(builder, options.shapes))
    timings = library.timing_cache(config, options.timing_cache)
    monitor = config.progress_monitor = _monitor(library.trt, options.progress)
    engine = builder.build_serialized_network(network, config)
    if monitor.error is not None:
        raise monitor.error
    if engine is None:
        raise BackendError(f"{library.flavour.name}: cannot build the engine: {library.complaint()}")
    outputs = tuple(_tensor(network.get_output(index)) for index in range(network.num_outputs))
    return Plan(bytes(engine), inputs, outputs, b"" if timings is None else bytes(timings.serialize()))


def _parse(library: Library, network: Any, graph: bytes) -> None:
    parser = library.trt.OnnxParser(network, library.log)
    if not parser.parse(graph):
        reasons = "; ".join(str(parser.get_error(index)) for index in range(parser.num_errors))
        raise ModelError(f"{library.flavour.name}: expected an ONNX graph that its parser takes: {reasons}")


def _profile(builder: Any, shapes: Mapping[str, ShapeRange]) -> Any:
    profile = builder.create_optimization_profile()
    for name, shape in shapes.items():
        profile.set_shape(name, shape.smallest, shape.usual, shape.largest)
    return profile


def _tensor(tensor: Any) -> Tensor:
    return Tensor(tensor.name, tuple(tensor.shape), tensor.dtype.name)


def _monitor(trt: Any, progress: Progress) -> Any:
    """The library calls it from C++, which no exception may reach: it is kept, and the build told to stop."""

    class Monitor(trt.IProgressMonitor):
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.error: BaseException | None = None
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            try:
                progress(phase_name, step + 1, self._steps[phase_name])
            except BaseException as error:  # Ctrl-C arrives here too
                self.error = error
            return self.error is None

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

    return Monitor()
