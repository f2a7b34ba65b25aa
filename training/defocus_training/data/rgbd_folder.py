"""Registered colour and depth pictures in folders: what defocus is rendered into for protocols on real images.

    <source>/meta.json  rgb/NNN.*  depth/NNN.png

Depth is 16-bit millimetres, 0 where unknown. `meta.json` holds `intrinsics{fx, fy, cx, cy}` in px of the stored picture
and `frames[{rgb, depth}]`; what else it says is passed by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pydantic import BaseModel, Field, ValidationError

from defocus_depth.checked_input import CHECKED, Positive, field_problems
from defocus_depth.errors import ConfigError, ImageError
from defocus_depth.image_files import read_image
from defocus_depth.optics import to_linear
from defocus_depth.types import CameraIntrinsics, FloatArray

META_FILE = "meta.json"
DEPTH_RANGE_M = (0.1, 10.0)  # beyond it depth cameras guess; DEReD's protocol scores the same range


@dataclass(frozen=True)
class RgbdPair:
    """Where one registered pair lies, and the camera of its colour picture.

    Attributes:
        source: name of the folder it comes from.
        focal_px, centre_px: (fx, fy) and (cx, cy) of the stored colour picture.
    """

    source: str
    colour: Path
    depth: Path
    focal_px: tuple[float, float]
    centre_px: tuple[float, float]

    @property
    def name(self) -> str:
        """Source and number: unique in a data set."""
        return f"{self.source}_{self.colour.stem}"


class _Intrinsics(BaseModel):
    model_config = CHECKED
    fx: Positive
    fy: Positive
    cx: float
    cy: float


class _Frame(BaseModel):
    model_config = CHECKED
    rgb: str
    depth: str


class _Meta(BaseModel):
    model_config = CHECKED
    intrinsics: _Intrinsics
    frames: tuple[_Frame, ...] = Field(min_length=1)


def find_pairs(folder: Path) -> list[RgbdPair]:
    """The pairs of a source, or of all sources in a folder of them, sorted by source and in the order of their meta.

    Raises:
        ConfigError: there is none, or a `meta.json` lacks what is needed.
    """
    sources = [folder] if (folder / META_FILE).is_file() else sorted(path.parent for path in folder.glob("*/meta.json"))
    if not sources:
        raise ConfigError(f"--rgbd {folder}: expected {META_FILE} there or in its folders, found none")
    return [pair for source in sources for pair in _pairs_of(source)]


def _pairs_of(source: Path) -> Sequence[RgbdPair]:
    path = source / META_FILE
    try:
        meta = _Meta.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: expected a readable file, got {error.strerror or error}") from error
    except ValidationError as error:
        raise ConfigError(field_problems(path, error)[0]) from error
    camera = meta.intrinsics
    focal_px, centre_px = (camera.fx, camera.fy), (camera.cx, camera.cy)
    name = source.resolve().name
    return [RgbdPair(name, source / frame.rgb, source / frame.depth, focal_px, centre_px) for frame in meta.frames]


def load_pair(pair: RgbdPair, width: int) -> tuple[FloatArray, FloatArray, CameraIntrinsics]:
    """Linear radiance (H, W, 3), depth (H, W) in metres (NaN where unknown) and the camera, resized to `width` px.

    Raises:
        ImageError: a picture cannot be read, is no colour or depth picture, or the two differ in size.
    """
    colour, depth = read_image(pair.colour), read_image(pair.depth)
    if colour.ndim != 3:
        raise ImageError(f"{pair.colour}: expected a colour picture, got shape {colour.shape}")
    if depth.dtype != np.uint16 or depth.shape != colour.shape[:2]:
        raise ImageError(
            f"{pair.depth}: expected 16-bit depth of {colour.shape[1]}x{colour.shape[0]} px, "
            f"got {depth.dtype} of shape {depth.shape}"
        )
    size = width, round(width * colour.shape[0] / colour.shape[1])
    camera = CameraIntrinsics(colour.shape[1], colour.shape[0], *pair.focal_px, *pair.centre_px).scaled(*size)
    radiance = to_linear(colour.astype(np.float32) / np.iinfo(colour.dtype).max, "srgb")
    return _reduced(radiance, size), _nearest_m(depth, size), camera


def _reduced(radiance: np.ndarray, size: tuple[int, int]) -> FloatArray:
    interpolation = cv2.INTER_AREA if size[0] <= radiance.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(radiance.astype(np.float32), size, interpolation=interpolation), np.float32).clip(0)


def _nearest_m(depth_mm: np.ndarray, size: tuple[int, int]) -> FloatArray:
    """Not interpolated: a mean of two surfaces lies on neither."""
    depth_m = np.asarray(cv2.resize(depth_mm, size, interpolation=cv2.INTER_NEAREST_EXACT), np.float32) / 1000
    known = (depth_m >= DEPTH_RANGE_M[0]) & (depth_m <= DEPTH_RANGE_M[1])
    return np.where(known, depth_m, np.nan).astype(np.float32)
