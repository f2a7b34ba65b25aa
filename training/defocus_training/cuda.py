"""numba's CUDA as kernels see it, and how they are compiled and kept on disk between runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import cuda as _module

from defocus_depth.simulation.compiled import source_digest

cuda: Any = _module  # its own annotations are those of the compiler's hooks
BLOCK_PX = 16
"""Width and height of the block of pixels that a block of threads computes."""
_PACKAGE = Path(__file__).parent


def on_device(values: np.ndarray) -> Any:
    """A copy in the GPU's memory."""
    return cuda.to_device(np.ascontiguousarray(values))


def blocks_of(height: int, width: int, pictures: int = 1) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Launch with a thread for every pixel (x, y) of so many pictures, and some beyond their borders."""
    return (-(-width // BLOCK_PX), -(-height // BLOCK_PX), pictures), (BLOCK_PX, BLOCK_PX, 1)


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
