"""The engine for pre-processing: the one in the cache if it is of use, else built where that is allowed."""

from __future__ import annotations

import logging

from ....errors import BackendError, ModelError
from .building import EngineMaker
from .engine import require_taken

_LOG = logging.getLogger(__name__)


def pixel_engine(maker: EngineMaker, may_build: bool, command: str) -> bytes | None:
    """The engine; None, with the reason in the log, where the CPU has to prepare the images.

    Args:
        command: builds it; named where nothing may be built now.
    """
    engine = found_pixel_engine(maker)
    if engine is not None:
        return engine
    flavour = maker.library.flavour.name
    if not may_build:
        _LOG.info("%s: pre-processing stays on the CPU: no engine for it: %s", flavour, command)
        return None
    _LOG.warning("%s: no engine for pre-processing: building it, which can take minutes", flavour)
    try:
        return maker.build_pixels().engine
    except (BackendError, ModelError) as error:
        _LOG.warning("%s: pre-processing stays on the CPU: %s", flavour, error)
        return None


def found_pixel_engine(maker: EngineMaker) -> bytes | None:
    """The engine in the cache. One that must not be trusted, or that the library does not take, is as good as none."""
    try:
        cached = maker.cache.load(maker.pixel_key())
        if cached is not None and maker.gpu is not None:
            require_taken(maker.library, cached.engine)
    except BackendError as error:
        _LOG.warning("%s: engine for pre-processing not used: %s", maker.library.flavour.name, error)
        return None
    return cached.engine if cached else None
