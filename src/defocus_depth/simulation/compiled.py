"""How this folder's kernels are compiled by numba, and kept on disk between runs."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

_PACKAGE = Path(__file__).parents[1]
_FLAGS = {"nogil": True, "error_model": "numpy"}

# A small function that is pasted into the kernels that call it: calls between them would cost more than they do.
# No fast-math that assumes finite numbers: endless sheets have infinite sizes, misses are NaN.
pasted = numba.njit(inline="always", fastmath={"contract", "arcp", "nsz"}, **_FLAGS)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile an entry point and cache it on disk.

    numba notices changes of the function's own file only. The digest in the name makes it notice a change in
    whatever the kernel is made of.
    """
    function.__qualname__ += f"_{source_digest()}"
    return numba.njit(cache=True, fastmath={"contract", "arcp", "nsz"}, **_FLAGS)(function)


@functools.cache
def source_digest() -> str:
    """Short hash of every source file that a simulated picture depends on."""
    sources = sorted(path for folder in ("optics", "simulation") for path in (_PACKAGE / folder).glob("*.py"))
    content = b"".join(path.read_bytes() for path in sources)
    return hashlib.sha256(content).hexdigest()[:16]
