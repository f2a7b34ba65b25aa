"""How far a build is, in the log: in the node and wherever else there is no terminal that shows a bar."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

_LOG = logging.getLogger(__name__)
_EVERY_S = 10.0  # often enough to tell a long build from one that hangs


class LoggedProgress:
    """A `Progress` that logs the first step it is told, and then one every 10 s.

    Args:
        what: is being built.
        clock: seconds, monotonic.
    """

    def __init__(self, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._clock = what, clock
        self._next_s = clock()

    def __call__(self, phase: str, done: int, steps: int) -> None:
        """Phase, steps done, and steps in all."""
        if self._clock() < self._next_s:
            return
        self._next_s = self._clock() + _EVERY_S
        _LOG.info("%s: %s, step %d of %d", self._what, phase, done, steps)
