"""Files that are either written completely or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from .errors import ConfigError


def check_place(path: Path) -> None:
    """Before minutes of work whose outcome goes there: whether a file can be written to `path`, nothing is made.

    Raises:
        ConfigError: it is a folder, or its folder is none or cannot be written to.
    """
    try:
        existing = next(parent for parent in path.absolute().parents if parent.exists())
        taken = path.is_dir()
    except OSError as error:  # a name that is too long, a folder that may not be searched
        raise ConfigError(f"{path}: expected a place to write to, got {error}") from error
    if taken:
        raise ConfigError(f"{path}: expected a file's name, got a folder")
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"{path}: expected a place to write to, got {existing}")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new file beside `path` to write to; it takes the place of `path` if the block ends well, else is removed.

    The folder is made. Raises OSError as `open` does; the caller knows what to say of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Random, not the process's number, which a process that was killed before may have had too.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
