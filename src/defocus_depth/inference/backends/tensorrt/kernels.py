"""Kernels that TensorRT for RTX compiles when an engine is loaded, kept for the next time. TensorRT itself has none."""

from __future__ import annotations

import logging

from ....errors import BackendError
from .cache import EngineCache, EngineKey
from .device import GpuIdentity

_LOG = logging.getLogger(__name__)


class Kernels:
    """Those of one engine on one GPU.

    Attributes:
        content: kept last; empty where there are none.
    """

    def __init__(self, cache: EngineCache, key: EngineKey, gpu: GpuIdentity) -> None:
        self._cache = cache
        self._name = f"kernels_{key.stem}_{gpu.name}_{gpu.capability}.cache"
        self._about = {**key.about, "gpu": str(gpu)}
        self.content = cache.load_notes(self._name, self._about)

    def keep(self, compiled: bytes) -> None:
        """Keep what is compiled by now, if it is not what is kept already; a folder that refuses costs time only."""
        if not compiled or compiled == self.content:
            return
        self.content = compiled
        try:
            self._cache.store_notes(self._name, self._about, compiled)
        except BackendError as error:
            _LOG.info("kernels will be compiled again at the next load: %s", error)
