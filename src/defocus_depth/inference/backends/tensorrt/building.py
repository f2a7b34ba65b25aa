"""Which engines a model wants, and making them: shared by the backend and `defocus_depth build-engine`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ....errors import BackendError, BackendUnavailableError
from ...artifact import file_sha256
from ..base import BackendRequest, Precision, check_lens, chosen_precision, graph_path
from .adapter import Flavour, Library
from .builder import WORKSPACE_BYTES, BuildOptions, Progress, ShapeRange, Tensor, build_plan
from .cache import ANY_GPU, CachedEngine, EngineCache, EngineKey
from .device import GpuIdentity
from .engine import require_taken
from .logged_progress import LoggedProgress
from .pixel_graph import SHAPES, graph_digest, pixel_graph

_LOG = logging.getLogger(__name__)
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


def built_for(flavour: Flavour, gpu: GpuIdentity | None) -> GpuIdentity:
    """The GPU that the flavour's engines are for where `gpu` is: that one, or any.

    Raises:
        BackendUnavailableError: it would be that one, and there is none.
    """
    if flavour.portable:
        return ANY_GPU
    if gpu is None:
        expected = "expected an NVIDIA driver: its engines are built for one GPU model"
        raise BackendUnavailableError(f"{flavour.name}: {expected}")
    return gpu


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

    def found(self, key: EngineKey) -> CachedEngine | None:
        """The engine in the cache. One that must not be trusted, or that the library does not take, is as good as none.

        Without a GPU it cannot be seen whether it is taken: that shows when it is loaded.
        """
        try:
            cached = self.cache.load(key)
            if cached is not None and self.gpu is not None:
                require_taken(self.library, cached.engine)
        except BackendError as error:
            _LOG.warning("%s: %s not used: %s", self.library.flavour.name, _name(key), error)
            return None
        return cached

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
        options = BuildOptions({"image": shape}, self.workspace_bytes, progress=self._progress(key), check=check)
        return self._build(key, path.read_bytes, options)

    def build_pixels(self) -> CachedEngine:
        """Build and keep the engine for pre-processing. Needs the Python package onnx."""
        key = self.pixel_key()
        options = BuildOptions(SHAPES, self.workspace_bytes, progress=self._progress(key))
        return self._build(key, pixel_graph, options)

    def _progress(self, key: EngineKey) -> Progress:
        return self.progress or LoggedProgress(f"{self.library.flavour.name}: {_name(key)}")

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
        gpu = built_for(flavour, self.gpu)
        return EngineKey(f"{flavour.name} {self.library.version}", gpu, digest, precision, size)


def _name(key: EngineKey) -> str:
    return "engine for pre-processing" if key.precision == PIXELS else f"{key.precision} engine for {key.size} px"
