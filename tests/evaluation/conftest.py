"""Small data sets with exact truth, and a stand-in for the estimator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from defocus_depth.stacks import write_stack
from defocus_depth.types import (
    CameraIntrinsics,
    DepthEstimate,
    FloatArray,
    FocalStack,
    Frame,
    ImageArray,
    LensParameters,
    Transfer,
)

GAIN_PX_PER_DPT = 8.0
LENS = LensParameters(blur_gain_px_per_dpt=GAIN_PX_PER_DPT)
FOCI_M = (0.4, 0.7, 1.2, 2.4)
WIDTH, HEIGHT = 96, 64


@pytest.fixture
def write_plane() -> Callable[..., FocalStack]:
    """A function (path, depth_m, **changes of the metadata) → a stack of a textured plane at that depth."""

    def write(path: Path, depth_m: float, foci_m: Sequence[float] = FOCI_M, **changes: Any) -> FocalStack:
        texture = np.random.default_rng(5).uniform(0.1, 0.9, (HEIGHT, WIDTH))
        images = []
        for focus_m in foci_m:
            sigma_px = max(GAIN_PX_PER_DPT * abs(1 / focus_m - 1 / depth_m) / 4, 0.2)
            images.append((cv2.GaussianBlur(texture, (0, 0), sigma_px) * 255).astype(np.uint8))
        frames = tuple(Frame(f"{index:03}.png", focus_m) for index, focus_m in enumerate(foci_m))
        camera = CameraIntrinsics(WIDTH, HEIGHT, 100.0, 100.0, 47.5, 31.5)
        meta = FocalStack(**{"path": path, "frames": frames, "lens": LENS, "camera": camera, **changes})
        truth_m = np.full((HEIGHT, WIDTH), depth_m, np.float32)
        truth_m[0] = np.nan
        return write_stack(path, meta, images, truth_m)

    return write


class FakeEstimator:
    """Says the same depth everywhere, sure of the left half only; remembers what it was asked."""

    def __init__(self, depth_m: float) -> None:
        self.depth_m = depth_m
        self.asked: list[tuple[ImageArray, LensParameters, float, Transfer]] = []
        self.told_near_m: list[float | None] = []

    def estimate(
        self,
        image: ImageArray,
        lens: LensParameters,
        focus_distance_m: float,
        *,
        transfer: Transfer = "srgb",
        near_focus_m: float | None = None,
    ) -> DepthEstimate:
        self.asked.append((image, lens, focus_distance_m, transfer))
        self.told_near_m.append(near_focus_m)
        depth_m: FloatArray = np.full(image.shape[:2], self.depth_m, np.float32)
        coc_px = np.full_like(depth_m, GAIN_PX_PER_DPT * (1 / focus_distance_m - 1 / self.depth_m))
        confidence = np.zeros_like(depth_m)
        confidence[:, : image.shape[1] // 2] = 0.8
        scale = np.full_like(depth_m, 0.1)
        return DepthEstimate(depth_m, coc_px, np.abs(coc_px), scale, confidence, GAIN_PX_PER_DPT, 1 / focus_distance_m)


@pytest.fixture
def fake_estimator() -> type[FakeEstimator]:
    return FakeEstimator
