"""Blur kernels of a pixel-sized splat for every circle of confusion, tabulated once per point spread function.

A splat at a pixel's centre adds `kernel(coc)` to the pixels around it. Between the tabulated sizes a kernel is
interpolated linearly, which keeps its sum at 1 and makes its derivative by the CoC exact: no light is lost or found
when a splat grows, so the depth gradient has no bias from a moving cut-off.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .psf import Psf

STEP_PX = 0.25
_SIZE_TOLERANCE = 1e-7
_LARGE_MOMENT_PX2 = 1.0
_FIXED_POINT_STEPS = 4


@dataclass(frozen=True, eq=False)
class KernelTable:
    """Kernels at CoC = 0, `STEP_PX`, … `max_coc_px`; entry i serves CoCs in [i, i+1)·STEP_PX.

    In entry i the kernel is `base + fraction·slope`. Kernels of negative CoC follow those of positive CoC
    (entry `count` + i) and differ only for shapes that flip.

    Attributes:
        base, slope: float32 (K,), every entry's (2·half+1)² values row by row, one after the other.
        offset: int64 (2·count,), where an entry starts (both signs share one where the shape does not flip).
        half: int32 (2·count,), half size in px.
        span: int32 (R,), half width in px of each row's non-zero part, rows of all entries one after the other.
        span_offset: int64 (2·count,), where an entry's rows start in `span`.
        count: entries per sign.
        max_coc_px: larger |CoC| are drawn at this size, with no gradient.
    """

    base: npt.NDArray[np.float32]
    slope: npt.NDArray[np.float32]
    offset: npt.NDArray[np.int64]
    half: npt.NDArray[np.int32]
    span: npt.NDArray[np.int32]
    span_offset: npt.NDArray[np.int64]
    count: int
    max_coc_px: float

    def entry(self, coc_px: float) -> tuple[int, float]:
        """Entry and fraction for a signed CoC."""
        steps = min(abs(coc_px) / STEP_PX, self.count - 1e-4)
        index = int(steps)
        return index + (self.count if coc_px < 0 else 0), steps - index

    def kernel(self, coc_px: float) -> npt.NDArray[np.float32]:
        """The kernel of a signed CoC, (2·half+1, 2·half+1), centred; sums to 1."""
        entry, fraction = self.entry(coc_px)
        side = 2 * int(self.half[entry]) + 1
        cells = slice(self.offset[entry], self.offset[entry] + side * side)
        return (self.base[cells] + np.float32(fraction) * self.slope[cells]).reshape(side, side)

    def arrays(self) -> tuple[object, ...]:
        """What the compiled loops take."""
        places = self.offset, self.half, self.span, self.span_offset
        return (self.base, self.slope, *places, self.count, np.float32(STEP_PX))


@functools.lru_cache(maxsize=16)
def kernel_table(psf: Psf, max_coc_px: float) -> KernelTable:
    """The table of `psf` up to `max_coc_px` (px, > 0); cached, so ask for a few round maxima."""
    count = math.ceil(max_coc_px / STEP_PX)
    levels = [sized_kernel(psf, STEP_PX * level) for level in range(count + 1)]
    positive = [_entry(low, high) for low, high in zip(levels[:-1], levels[1:], strict=True)]
    negative = [(base[::-1, ::-1], slope[::-1, ::-1]) for base, slope in positive] if psf.flips else []
    return _pack([*positive, *negative], count)


def sized_kernel(psf: Psf, coc_px: float) -> npt.NDArray[np.float64]:
    """Kernel on the pixel grid with unit sum and the second moment (sigma_per_coc·coc)² of the true shape.

    Integrating a shape over pixels adds about 1/12 px² to its second moment, which would make every depth estimate
    see too much blur. The shape is shrunk so that the moment on the grid is the right one.
    """
    target = (psf.sigma_per_coc * coc_px) ** 2
    if target == 0:
        return np.ones((1, 1))
    if target > _LARGE_MOMENT_PX2:
        return _shrunk(psf, target)
    low, high = 0.0, math.sqrt(target) + 1.0
    while high - low > _SIZE_TOLERANCE * high:
        middle = 0.5 * (low + high)
        if second_moment(_integrals(psf, middle)) < target:
            low = middle
        else:
            high = middle
    return _integrals(psf, high)


def _shrunk(psf: Psf, target: float) -> npt.NDArray[np.float64]:
    """Fixed-point iteration for shapes of several pixels, where the moment on the grid is nearly σ² + 1/12."""
    sigma = math.sqrt(target)
    for _ in range(_FIXED_POINT_STEPS):
        sigma *= math.sqrt(target / second_moment(_integrals(psf, sigma)))
    return _integrals(psf, sigma)


def second_moment(kernel: npt.NDArray[np.float64]) -> float:
    """Mean over both axes of Σ k·x², px²."""
    square = (np.arange(len(kernel)) - len(kernel) // 2) ** 2
    return float(0.5 * (kernel.sum(0) @ square + kernel.sum(1) @ square) / kernel.sum())


def _integrals(psf: Psf, sigma_px: float) -> npt.NDArray[np.float64]:
    half = math.ceil(psf.extent_sigmas * sigma_px - 0.5)
    return psf.pixel_integrals(sigma_px, max(half, 0))


def _entry(low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> tuple[npt.NDArray, npt.NDArray]:
    half = max(len(low), len(high)) // 2
    base, end = (np.pad(kernel, half - len(kernel) // 2) for kernel in (low, high))
    return base, end - base


def _pack(entries: list[tuple[npt.NDArray, npt.NDArray]], count: int) -> KernelTable:
    sides = np.array([len(base) for base, _ in entries])
    both_signs = 2 * count // len(entries)  # 2 where one set of kernels serves both
    spans = [_row_spans((base > 0) | (slope != 0)) for base, slope in entries]
    return KernelTable(
        base=np.concatenate([base.ravel() for base, _ in entries]).astype(np.float32),
        slope=np.concatenate([slope.ravel() for _, slope in entries]).astype(np.float32),
        offset=np.tile(np.concatenate([[0], np.cumsum(sides**2)[:-1]]), both_signs).astype(np.int64),
        half=np.tile(sides // 2, both_signs).astype(np.int32),
        span=np.concatenate(spans).astype(np.int32),
        span_offset=np.tile(np.concatenate([[0], np.cumsum(sides)[:-1]]), both_signs).astype(np.int64),
        count=count,
        max_coc_px=count * STEP_PX,
    )


def _row_spans(used: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """Half width of each row's used part; -1 for an empty row."""
    distance = np.abs(np.arange(len(used)) - len(used) // 2)
    return np.where(used, distance, -1).max(1).astype(np.int32)
