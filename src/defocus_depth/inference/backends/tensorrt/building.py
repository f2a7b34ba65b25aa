"""Which engines a model wants, and making them: shared by the backend and `defocus_depth build-engine`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ....errors import BackendError
from ...artifact import file_sha256
from ..base import BackendRequest, Precision, check_lens, chosen_precision, graph_path
from .adapter import Library
from .builder import WORKSPACE_BYTES, BuildOptions, Progress, ShapeRange, Tensor, build_plan
from .cache import ANY_GPU, CachedEngine, EngineCache, EngineKey
from .device import GpuIdentity
from .logged_progress import LoggedProgress
from .pixel_graph import SHAPES, graph_digest, pixel_graph

FASTEST_FIRST: tuple[Precision, ...] = ("int8", "f16", "f32")
PIXELS = "pixels"


def precisions_to_try(request: BackendRequest, name: str) -> list[Precision]:
    """Fastest first: those that the model has graphs for, from the one asked for on.

    Raises:
        BackendUnavailableError: a precision that TensorRT is not given here.
    """
    wanted = chosen_precision(request, name, FASTEST_FIRST)
    variants = request.artifact.sidecar.variants
    there: list[Precision] = [precision for precision in FASTEST_FIRST if precision == "f32" or precision in variants]
    if request.precision == "auto":
        return there
    if wanted not in there:
        graph_path(request, wanted)  # says which file is missing
    return there[there.index(wanted) :]


@dataclass(frozen=True)
class EngineMaker:
    """Builds engines into a cache.

    Attributes:
        gpu: for which; None where no driver is (portable engines only).
        progress: see `BuildOptions`; None: to the log.
    """

    library: Library
    cache: EngineCache
    gpu: GpuIdentity | None
    workspace_bytes: int = WORKSPACE_BYTES
    progress: Progress | None = None

    def network_key(self, request: BackendRequest, precision: Precision) -> EngineKey:
        """The key of the network's engine in this precision, at the request's size."""
        digest = file_sha256(graph_path(request, precision))
        return self._key(digest, precision, f"{request.width}x{request.height}")

    def pixel_key(self) -> EngineKey:
        """The key of the engine for pre-processing."""
        return self._key(graph_digest(), PIXELS, "any")

    def build_network(self, request: BackendRequest, precision: Precision) -> CachedEngine:
        """Build and keep the network's engine, not verified yet.

        Raises:
            ModelError: the parser refuses the graph, or its lens has another shape.
            BackendError: the library cannot build it, or the folder cannot be written.
        """
        shape = ShapeRange.fixed((1, 3, request.height, request.width))
        path = graph_path(request, precision)

        def check(inputs: Sequence[Tensor]) -> None:
            check_lens(path, next((tensor.shape for tensor in inputs if tensor.name == "lens"), ()))

        key = self.network_key(request, precision)
        progress = self._progress(f"{precision} engine for {key.size} px")
        options = BuildOptions({"image": shape}, self.workspace_bytes, progress=progress, check=check)
        return self._build(key, path.read_bytes, options)

    def build_pixels(self) -> CachedEngine:
        """Build and keep the engine for pre-processing. Needs the Python package onnx."""
        progress = self._progress("engine for pre-processing")
        options = BuildOptions(SHAPES, self.workspace_bytes, progress=progress)
        return self._build(self.pixel_key(), pixel_graph, options)

    def _progress(self, what: str) -> Progress:
        return self.progress or LoggedProgress(f"{self.library.flavour.name}: {what}")

    def _build(self, key: EngineKey, graph: Callable[[], bytes], options: BuildOptions) -> CachedEngine:
        about = {"library": key.library, "gpu": key.about["gpu"]}
        timings = f"timing_{key.library}_{key.gpu.name}.cache"
        found = self.cache.written_ns(key)
        with self.cache.building(key):
            if self.cache.written_ns(key) != found and (made := self._made_by_another(key)):
                return made
            timed = replace(options, timing_cache=self.cache.load_notes(timings, about))
            plan = build_plan(self.library, graph(), timed)
            built = CachedEngine(plan.engine)
            self.cache.store(key, built)
            if plan.timing_cache:
                self.cache.store_notes(timings, about, plan.timing_cache)
        return built

    def _made_by_another(self, key: EngineKey) -> CachedEngine | None:
        """What another process built while this one waited for it; None where that is not to be trusted."""
        try:
            return self.cache.load(key)
        except BackendError:
            return None

    def _key(self, digest: str, precision: str, size: str) -> EngineKey:
        flavour = self.library.flavour
        gpu = ANY_GPU if flavour.portable else self.gpu
        if gpu is None:
            raise BackendError(f"{flavour.name}: expected an NVIDIA driver: its engines are built for one GPU model")
        return EngineKey(f"{flavour.name} {self.library.version}", gpu, digest, precision, size)
