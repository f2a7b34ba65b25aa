"""Files that are either written completely or not at all."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path


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
