"""numba's CUDA as kernels see it, and how they are compiled and kept on disk between runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import cuda as _module

from defocus_depth.simulation.compiled import source_digest

cuda: Any = _module  # its own annotations are those of the compiler's hooks
_PACKAGE = Path(__file__).parent


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a kernel with these options of `cuda.jit` and cache it on disk.

    numba notices changes of the kernel's own file only. The digest in the name makes it notice a change in what the
    kernel is made of, which may be in the simulation or beside it.
    """

    def compiled(function: Callable[..., Any]) -> Any:
        beside = sorted(_PACKAGE.joinpath(*function.__module__.split(".")[1:-1]).glob("*.py"))
        digest = hashlib.sha256(source_digest().encode() + b"".join(path.read_bytes() for path in beside))
        function.__qualname__ += f"_{digest.hexdigest()[:16]}"
        return cuda.jit(cache=True, **options)(function)

    return compiled
