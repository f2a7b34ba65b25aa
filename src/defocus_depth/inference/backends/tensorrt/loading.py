"""Which engine runs: one that is built and has proved faithful, or one that is built now where that is allowed."""

from __future__ import annotations

import dataclasses
import logging
from contextlib import closing

from ....errors import BackendError, BackendUnavailableError, EngineUnavailableError, ModelError
from ..base import BackendRequest, Precision
from ..fidelity import compare, gate_inputs, reference_backend, require_fidelity
from .adapter import Flavour, import_library, require_installed
from .backend import TensorRtBackend
from .building import EngineMaker, precisions_to_try
from .cache import CachedEngine, EngineCache
from .device import GpuIdentity, open_gpu
from .engine import EngineNotTakenError
from .pixel_loading import pixel_engine

_LOG = logging.getLogger(__name__)


def load_flavour(request: BackendRequest, flavour: Flavour) -> TensorRtBackend:
    """The fastest engine of the model that is faithful. Where none is built, one is built if the request allows it.

    Raises:
        BackendUnavailableError: library, driver or GPU are missing, the library is not for this GPU, or no engine
            can be had.
        ModelError: a graph is missing, or another than the sidecar's.
    """
    require_installed(flavour)
    try:  # before the library, which is large, is imported
        gpu = open_gpu()
    except BackendUnavailableError as error:
        raise BackendUnavailableError(f"{flavour.name}: {error}") from error
    try:
        library = import_library(flavour)
        library.require_support(gpu.identity)
        maker = EngineMaker(library, EngineCache(), gpu.identity)
        return EngineLoader(request, maker, gpu.identity).load()
    finally:
        gpu.close()


@dataclasses.dataclass(frozen=True)
class EngineLoader:
    """Loads engines of one model at one size for one GPU."""

    request: BackendRequest
    maker: EngineMaker
    gpu: GpuIdentity

    def load(self) -> TensorRtBackend:
        """The first precision that is faithful, with the engine for pre-processing in front of it."""
        backend = self._first_faithful()
        try:
            backend.prepare_pixels_by(pixel_engine(self.maker, self.request.may_build, self._command))
        except BaseException:
            backend.close()
            raise
        return backend

    def _first_faithful(self) -> TensorRtBackend:
        """Each precision in turn, first from the cache alone; then, where that is allowed, built."""
        precisions = precisions_to_try(self.request, self.maker.library.flavour.name)
        reasons: list[str] = []
        refused: set[Precision] = set()
        for may_build in (False, True) if self.request.may_build else (False,):
            for precision in precisions:
                if precision in refused:
                    continue
                try:
                    return self.faithful(precision, may_build)
                except _NotBuilt as missing:
                    if not self.request.may_build:
                        reasons.append(str(missing))
                except (BackendError, ModelError) as error:
                    refused.add(precision)
                    reasons.append(str(error))
                    level = logging.INFO if isinstance(error, _KnownRefusal) else logging.WARNING
                    _LOG.log(level, "%s: %s engine not used: %s", self.maker.library.flavour.name, precision, error)
        raise EngineUnavailableError(f"{self.maker.library.flavour.name}: {'; '.join(reasons)}")

    def faithful(self, precision: Precision, may_build: bool) -> TensorRtBackend:
        """The backend with the engine in this precision, compared with the CPU on this GPU now or before.

        Raises:
            BackendError: it differs from the CPU beyond the limits, cannot be loaded, or is not there and may not be
                built.
        """
        wanted = f"{precision} engine for {self.request.width}x{self.request.height} px"
        cached = self._cached(precision)
        if cached is None:
            return self._opened(self._built(precision, may_build, f"no {wanted}", ""), precision)
        if cached.refused_on == str(self.gpu):
            again = "build-engine --force builds and compares it again"
            raise _KnownRefusal(f"{cached.refusal}; found before on this GPU, {again}")
        try:
            return self._opened(cached, precision)
        except EngineNotTakenError as error:
            return self._opened(self._built(precision, may_build, f"{wanted}: {error}", " --force"), precision)

    @property
    def _command(self) -> str:
        flavour = self.maker.library.flavour.name
        return f"defocus_depth build-engine {self.request.artifact.onnx_path} --flavour {flavour}"

    def _opened(self, cached: CachedEngine, precision: Precision) -> TensorRtBackend:
        backend = TensorRtBackend(self.request, self.maker, open_gpu(), cached, precision)
        try:
            if cached.verified_on != str(self.gpu):
                self._verify(backend, precision, cached)
        except BaseException:
            backend.close()
            raise
        return backend

    def _cached(self, precision: Precision) -> CachedEngine | None:
        """The engine in the cache. One that must not be trusted is as good as none."""
        try:
            return self.maker.cache.load(self.maker.network_key(self.request, precision))
        except BackendError as error:
            _LOG.warning("%s: engine not trusted: %s", self.maker.library.flavour.name, error)
            return None

    def _built(self, precision: Precision, may_build: bool, why: str, option: str) -> CachedEngine:
        if not may_build:
            raise _NotBuilt(f"{why}: {self._command}{option}")
        _LOG.warning("%s: %s: building it, which can take minutes", self.maker.library.flavour.name, why)
        return self.maker.build_network(self.request, precision)

    def _verify(self, backend: TensorRtBackend, precision: Precision, cached: CachedEngine) -> None:
        inputs = gate_inputs(self.request.height, self.request.width)
        with closing(reference_backend(self.request)) as reference:
            fidelity = compare(backend.run, reference.run, inputs)
        try:
            require_fidelity(fidelity, precision)
        except BackendError as error:
            self._note(precision, dataclasses.replace(cached, refused_on=str(self.gpu), refusal=str(error)))
            raise
        figures = dataclasses.asdict(fidelity)
        self._note(precision, dataclasses.replace(cached, verified_on=str(self.gpu), figures=figures))

    def _note(self, precision: Precision, judged: CachedEngine) -> None:
        """Keep the verdict for the next load; a folder that cannot be written to only costs another comparison."""
        try:
            self.maker.cache.store(self.maker.network_key(self.request, precision), judged)
        except BackendError as error:
            flavour = self.maker.library.flavour.name
            _LOG.warning("%s: %s engine will be compared again at the next load: %s", flavour, precision, error)


class _KnownRefusal(BackendError):
    """The engine was compared with the CPU on this GPU before, and found beyond the limits."""


class _NotBuilt(BackendError):
    """No engine is built, and none may be built now."""
