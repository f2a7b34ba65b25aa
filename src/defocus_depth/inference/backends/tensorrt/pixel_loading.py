"""The engine for pre-processing: the one in the cache if it is of use, else built where that is allowed."""

from __future__ import annotations

import logging

from ....errors import BackendError, ModelError
from .building import EngineMaker

_LOG = logging.getLogger(__name__)


def pixel_engine(maker: EngineMaker, may_build: bool, command: str) -> bytes | None:
    """The engine; None, with the reason in the log, where the CPU has to prepare the images.

    Args:
        command: builds it; named where nothing may be built now.
    """
    found = maker.found(maker.pixel_key())
    if found is not None:
        return found.engine
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
