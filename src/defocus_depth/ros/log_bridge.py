"""What the library says through Python's logging, in the node's log: which backend was not used, and why."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_LIBRARY = "defocus_depth"


class _ToRos(logging.Handler):
    def __init__(self, logger: Any) -> None:
        super().__init__(logging.INFO)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        # A line for each severity: rclpy refuses to log in another one from the same line of code.
        message = record.getMessage()
        if record.levelno >= logging.ERROR:
            self._logger.error(message)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(message)
        else:
            self._logger.info(message)


@contextmanager
def library_log_in(logger: Any) -> Iterator[None]:
    """While this lasts the library's messages, from INFO on, go to this rclpy logger."""
    library, handler = logging.getLogger(_LIBRARY), _ToRos(logger)
    level = library.level
    library.addHandler(handler)
    library.setLevel(logging.INFO)
    try:
        yield
    finally:
        library.setLevel(level)
        library.removeHandler(handler)
