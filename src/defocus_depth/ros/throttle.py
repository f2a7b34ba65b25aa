"""Says each kind of thing once, then at most every few seconds: a camera can repeat a fault 60 times a second."""

from __future__ import annotations

import re
from collections.abc import Callable
from time import monotonic

_MAX_KINDS = 256  # a source that sends ever new texts must not fill the memory


class Throttle:
    """Decides what to log. Texts that differ in their numbers only are of one kind. Safe between threads."""

    def __init__(self, period_s: float = 5.0, clock: Callable[[], float] = monotonic) -> None:
        self._period_s = period_s
        self._clock = clock
        self._said: dict[str, float] = {}

    def passes(self, text: str) -> bool:
        """Whether to say this text now."""
        kind, now = re.sub(r"\d+", "#", text), self._clock()
        if now - self._said.get(kind, -float("inf")) < self._period_s:
            return False
        if len(self._said) >= _MAX_KINDS:
            self._said = {}
        self._said[kind] = now
        return True
