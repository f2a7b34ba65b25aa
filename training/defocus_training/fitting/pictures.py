"""Focal stacks from plain pictures of a focus sweep, whose distances nobody knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from defocus_depth.errors import ConfigError, ImageError
from defocus_depth.image_files import read_image
from defocus_depth.stacks import write_stack
from defocus_depth.types import CameraIntrinsics, FocalStack, Frame, ImageArray

from .capture import FEWEST_FRAMES

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class ImportOptions:
    """How a folder of pictures becomes a stack."""

    pattern: str = "*"
    """Names of the pictures that belong to the sweep, for example '[0-9]*'."""
    nearest: Literal["first", "last"] = "first"
    """Which picture, by name, has the nearest focus."""
    every: int = 1
    """Take every N-th picture only."""
    width_px: int = 0
    """Reduce wider pictures to this width (px); 0 = leave them as they are."""
    reference_frame: int = -1
    """Frame, from 0 = nearest focus, in whose pixels depth is told; -1 = the middle one, from which none is far."""


def import_pictures(folder: Path, path: Path, options: ImportOptions) -> FocalStack:
    """Write the pictures of `folder`, sorted by name, as the stack `path`; the focus coordinate counts the frames.

    Raises:
        ConfigError: too few pictures, or options out of range.
        ImageError: a picture that cannot be read, or sizes that differ.
        StackError: a stack is already there, or the disk refuses.
    """
    images = _read_all(_chosen(folder, options), options)
    count, (height, width) = len(images), images[0].shape[:2]
    if not -1 <= options.reference_frame < count:
        raise ConfigError(f"reference frame: expected -1..{count - 1}, got {options.reference_frame}")
    meta = FocalStack(
        path=path,
        frames=tuple(Frame(f"{index:03d}.png", focus_coordinate=float(count - 1 - index)) for index in range(count)),
        lens=None,
        camera=CameraIntrinsics(width, height, width, width, (width - 1) / 2, (height - 1) / 2),
        reference_frame=count // 2 if options.reference_frame < 0 else options.reference_frame,
        metric=False,
        source={
            "kind": "imported pictures",
            "folder": folder.resolve().name,
            "camera": "unknown, a view of 53 degrees",
        },
    )
    return write_stack(path, meta, images)


def _chosen(folder: Path, options: ImportOptions) -> list[Path]:
    if options.every < 1:
        raise ConfigError(f"every: expected >= 1, got {options.every}")
    if not folder.is_dir():
        raise ConfigError(f"{folder}: expected a folder of pictures, got {'a file' if folder.exists() else 'nothing'}")
    names = sorted(path for path in folder.glob(options.pattern) if path.suffix.lower() in _SUFFIXES)
    ordered = names if options.nearest == "first" else names[::-1]
    chosen = ordered[:: options.every]
    if len(chosen) < FEWEST_FRAMES:
        raise ConfigError(f"{folder}: expected at least {FEWEST_FRAMES} pictures, got {len(chosen)}")
    return chosen


def _read_all(paths: list[Path], options: ImportOptions) -> list[ImageArray]:
    images = [_narrowed(read_image(path), options.width_px) for path in paths]
    for path, image in zip(paths, images, strict=True):
        if image.shape != images[0].shape:
            raise ImageError(f"{path}: expected {images[0].shape} like {paths[0].name}, got {image.shape}")
    return images


def _narrowed(image: ImageArray, width_px: int) -> ImageArray:
    height, width = image.shape[:2]
    if not 0 < width_px < width:
        return image
    return np.asarray(cv2.resize(image, (width_px, round(height * width_px / width)), interpolation=cv2.INTER_AREA))
