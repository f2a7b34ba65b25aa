"""The last frames of a stream that show one static scene at different foci, for `fusion`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from ..types import DepthEstimate, FloatArray, ImageArray

MOST_SHIFT_PX = 1.0  # of a picture COMPARED_WIDTH_PX wide; focus alone looked like 0.4 px at most on test stacks
MOST_CHANGE_PX = 2.5  # the same for any change, told as the shift that would cause as much; focus alone: 1.7 px
COMPARED_WIDTH_PX = 160
LOW_PASS_PX = 3.0  # deviation of the blur that evens out what focus does to a picture COMPARED_WIDTH_PX wide
GAMMA = 2.2  # of encoded pictures, roughly: blur keeps the mean of light
SAME_FOCUS = 0.01  # of the focus: what motors and their reports differ by from one visit to the next
NOISE = 2e-3  # relative gradient, per px, below which a picture has nothing to compare


@dataclass(frozen=True)
class FusionLimits:
    """How many frames are fused at most, and how old (s) they may be."""

    frames: int
    max_age_s: float


@dataclass(frozen=True)
class _Kept:
    estimate: DepthEstimate
    reduced: FloatArray
    arrived_s: float


class FusionWindow:
    """Keeps estimates until the camera moves, the picture changes otherwise, or they are too old."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._kept: list[_Kept] = []

    def __len__(self) -> int:
        return len(self._kept)

    def fuse(self, image: ImageArray, estimate: DepthEstimate, limits: FusionLimits) -> DepthEstimate:
        """The estimate of `image` with what the frames before it say; the estimate itself where nothing is kept.

        A frame at the focus of a kept one takes its place: the same view twice tells nothing new.
        """
        from .fusion import fuse_estimates  # its compiler is loaded when it is needed

        reduced = _reduced(image)
        self._forget(reduced, estimate, limits)
        self._kept = [one for one in self._kept if not same_focus(one.estimate.focus_dpt, estimate.focus_dpt)]
        self._kept.append(_Kept(estimate, reduced, self._clock_s()))
        self._kept = self._kept[-limits.frames :]
        return fuse_estimates([one.estimate for one in self._kept], target=-1)

    def clear(self) -> None:
        """Start anew: the lens is another, or the camera was unwatched for a while."""
        self._kept = []

    def _forget(self, reduced: FloatArray, estimate: DepthEstimate, limits: FusionLimits) -> None:
        """Drop what is too old or was seen from elsewhere, and everything where the scene is suddenly another."""
        oldest_s = self._clock_s() - limits.max_age_s
        fresh = [one for one in self._kept if one.arrived_s >= oldest_s]
        last = fresh[-1] if fresh else None  # every frame is kept until the next one comes
        if last and (last.estimate.depth_m.shape != estimate.depth_m.shape or has_moved(last.reduced, reduced)):
            fresh = []
        # What moves slowly differs little from one frame to the next, and much from the oldest.
        self._kept = [one for one in fresh if shift_px(one.reduced, reduced) <= MOST_SHIFT_PX]


def same_focus(one_dpt: float, other_dpt: float) -> bool:
    """Whether pictures at these two foci (1/m) show the same blur: to fuse both would count one view twice."""
    return abs(one_dpt - other_dpt) <= SAME_FOCUS * max(one_dpt, other_dpt)


def _reduced(image: ImageArray) -> FloatArray:
    """Small, low-passed linear luminance of mean 1: exposure and focus hardly change it."""
    full_scale = np.iinfo(image.dtype).max if np.issubdtype(image.dtype, np.integer) else 1.0
    height = max(1, round(COMPARED_WIDTH_PX * image.shape[0] / image.shape[1]))
    small = cv2.resize(image, (COMPARED_WIDTH_PX, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    grey = small.mean(2) if small.ndim == 3 else small
    light = (np.maximum(grey, 0) / np.float32(full_scale)) ** np.float32(GAMMA)
    low = np.asarray(cv2.GaussianBlur(light, (0, 0), LOW_PASS_PX), np.float32)
    return low / max(float(low.mean()), 1e-6)


def has_moved(before: FloatArray, after: FloatArray) -> bool:
    """Whether two reduced pictures, one after the other, differ by more than focus explains.

    Their shift tells camera motion; their whole difference over their gradient tells any other change.
    """
    if before.shape != after.shape:
        return True
    steepness = float(np.sqrt((_gradient(before) ** 2).sum(1).mean()))
    change = float(np.sqrt(((after - before) ** 2).mean()))
    return change > MOST_CHANGE_PX * (steepness + NOISE) or shift_px(before, after) > MOST_SHIFT_PX


def shift_px(before: FloatArray, after: FloatArray) -> float:
    """The shift of least squares between two reduced pictures of one size (Lucas & Kanade 1981, over the whole)."""
    gradient, change = _gradient(before), (after - before).ravel()
    normal = gradient.T @ gradient + len(gradient) * np.float32(NOISE) ** 2 * np.eye(2, dtype=np.float32)
    return float(np.hypot(*np.linalg.solve(normal, -gradient.T @ change)))


def _gradient(reduced: FloatArray) -> FloatArray:
    """(pixels, 2), per px."""
    by_x = cv2.Sobel(reduced, cv2.CV_32F, 1, 0, scale=1 / 8).ravel()
    by_y = cv2.Sobel(reduced, cv2.CV_32F, 0, 1, scale=1 / 8).ravel()
    return np.stack([by_x, by_y], 1).astype(np.float32, copy=False)
