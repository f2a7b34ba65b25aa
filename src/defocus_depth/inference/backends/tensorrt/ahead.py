"""Engines built before they are needed: those that are missing or of no use, each compared with the CPU."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ....errors import BackendError, ModelError
from ..base import BackendRequest, Precision
from .building import PIXELS, EngineMaker
from .cache import EngineKey
from .loading import EngineLoader

_MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Built:
    """One engine, or why there is none.

    Attributes:
        file: name in the folder; empty where the graph is missing that names it.
        was_there: whether it was there before, and of use; else it was to be built now.
        verified: whether its maps were compared with the CPU's on this GPU and found good.
        problem: why it was not built, or is refused; empty where nothing is wrong.
    """

    precision: str
    size: str
    file: str
    mebibytes: float
    seconds: float
    was_there: bool
    verified: bool
    problem: str


def sizes_without_engine(built: Sequence[Built]) -> set[str]:
    """Sizes of which no engine of the network is of use. Without the one for pre-processing the CPU does that."""
    networks = [one for one in built if one.precision != PIXELS]
    return {one.size for one in networks} - {one.size for one in networks if not one.problem}


@dataclass(frozen=True)
class BuildAhead:
    """Builds what `maker` finds missing; a problem with one engine keeps no other from being built.

    Attributes:
        force: build also what is there and valid.
    """

    maker: EngineMaker
    force: bool

    def pixels(self) -> Built:
        """The engine for pre-processing; it is compared with the CPU on the first image of each size."""

        def build(there: bool) -> bool:
            if not there:
                self.maker.build_pixels()
            return False

        return self._row(PIXELS, "any", self.maker.pixel_key, build)

    def network(self, request: BackendRequest, precision: Precision) -> Built:
        """The network's engine, compared with the CPU where a GPU is that runs it."""

        def build(there: bool) -> bool:
            if not there:
                self.maker.build_network(request, precision)
            if self.maker.gpu is None:
                return False
            EngineLoader(request, self.maker, self.maker.gpu).faithful(precision, may_build=there).close()
            return True

        size = f"{request.width}x{request.height}"
        return self._row(precision, size, lambda: self.maker.network_key(request, precision), build)

    def _row(
        self, precision: str, size: str, find_key: Callable[[], EngineKey], build: Callable[[bool], bool]
    ) -> Built:
        """Each step may be refused: the graph that names the file, the folder, the build, the comparison."""
        start, file, mebibytes, there, verified, problem = time.perf_counter(), "", 0.0, False, False, ""
        try:
            path = self.maker.cache.path(key := find_key())
            file, there = path.name, not self.force and self.maker.found(key) is not None
            verified = build(there)
        except (BackendError, ModelError) as error:
            problem = str(error)
        seconds = round(time.perf_counter() - start, 2)
        if file and path.is_file():
            mebibytes = round(path.stat().st_size / _MEBIBYTE, 1)
        return Built(precision, size, file, mebibytes, seconds, there, verified, problem)
