"""Small stacks that the tests of the stack folder write, break and read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from defocus_depth.stacks import write_stack
from defocus_depth.types import CameraIntrinsics, FocalStack, Frame, LensParameters

LENS = LensParameters(focal_length_m=0.008, f_number=1.4, pixel_pitch_m=6e-6, image_width_px=320)
CAMERA = CameraIntrinsics(width=12, height=8, fx=20.0, fy=20.5, cx=5.5, cy=3.5)


class Samples:
    """Makes metadata and pixels of a 12x8 stack of three frames."""

    lens = LENS
    camera = CAMERA

    def meta(self, **changes: Any) -> FocalStack:
        frames = tuple(Frame(f"{index:03}.png", distance) for index, distance in enumerate((0.35, 1.0, math.inf)))
        return FocalStack(**{"path": Path(), "frames": frames, "lens": LENS, "camera": CAMERA, **changes})

    def images(self, count: int = 3, dtype: Any = np.uint8, mono: bool = False) -> list[np.ndarray]:
        shape = (CAMERA.height, CAMERA.width) if mono else (CAMERA.height, CAMERA.width, 3)
        return [np.random.default_rng(index).integers(0, np.iinfo(dtype).max, shape, dtype) for index in range(count)]

    def depth_m(self) -> np.ndarray:
        depth_m = np.linspace(0.4, 3.0, CAMERA.width * CAMERA.height, dtype=np.float32)
        depth_m[0] = np.nan
        return depth_m.reshape(CAMERA.height, CAMERA.width)

    def write(self, path: Path, **changes: Any) -> FocalStack:
        return write_stack(path, self.meta(**changes), self.images(), self.depth_m())

    def edit_json(self, folder: Path, **changes: Any) -> None:
        """Overwrite keys of `stack.json`; a value of `...` removes its key."""
        file = folder / "stack.json"
        content = json.loads(file.read_text()) | changes
        file.write_text(json.dumps({key: value for key, value in content.items() if value is not ...}))


@pytest.fixture
def samples() -> Samples:
    return Samples()


@pytest.fixture
def folder(tmp_path: Path, samples: Samples) -> Path:
    """A good stack folder with ground truth."""
    return samples.write(tmp_path / "scene").path
