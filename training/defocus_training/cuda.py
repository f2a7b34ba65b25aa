"""numba's CUDA as kernels see it. Its own annotations are those of the compiler's hooks, so here it has none."""

from __future__ import annotations

from typing import Any

from numba import cuda as _module

cuda: Any = _module
