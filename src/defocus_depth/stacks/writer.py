"""Writes focal-stack folders so that a half-written one never looks complete."""

from __future__ import annotations

import dataclasses
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from ..atomic import replacing
from ..checked_input import field_problems
from ..errors import StackError
from ..types import FloatArray, FocalStack, ImageArray
from .reader import path_inside, refusal
from .schema import STACK_FILE, StackFields, rule_problems, to_json_fields

GROUND_TRUTH_FILE = "depth.npy"
FAST_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 1)  # noise hardly compresses; level 1 is several times faster than 3


def write_stack(
    path: Path, stack_meta: FocalStack, images: Sequence[ImageArray], depth_m: FloatArray | None = None
) -> FocalStack:
    """Write a new stack folder; `stack.json` comes last and in one step.

    Args:
        path: the folder, made when missing; a finished stack there is never overwritten.
        stack_meta: what `stack.json` will say; its `path` is ignored.
        images: per frame RGB (H, W, 3) or mono (H, W), uint8 or uint16, of the camera's size.
        depth_m: ground truth (H, W) metres z in the reference frame, NaN where unknown.

    Returns:
        The stack as `read_stack(path)` gives it.

    Raises:
        StackError: the metadata, an image or the depth breaks the schema (nothing is written), a stack is
            already there, or the disk refuses.
    """
    path = Path(path)
    meta = _complete(path, stack_meta, depth_m)
    text = _checked_json(meta)
    _check_arrays(meta, images, depth_m)
    try:
        path.mkdir(parents=True, exist_ok=True)
        for index, (frame, image) in enumerate(zip(meta.frames, images, strict=True)):
            _replace(path_inside(path, frame.file, f"frames[{index}].file"), _png(image))
        if meta.ground_truth_depth is not None and depth_m is not None:
            _replace(path_inside(path, meta.ground_truth_depth, "ground_truth.depth"), _npy(depth_m))
        _replace(path / STACK_FILE, text.encode())
    except OSError as error:
        raise StackError(f"{path}: expected a writable folder, got {error}") from error
    return meta


def _complete(path: Path, meta: FocalStack, depth_m: FloatArray | None) -> FocalStack:
    if (path / STACK_FILE).exists():
        raise StackError(f"{path}: expected a folder without a stack, got one that holds {STACK_FILE}")
    if meta.ground_truth_depth is not None and depth_m is None:
        raise StackError(f"{path}: ground_truth.depth: expected depth_m for {meta.ground_truth_depth!r}, got nothing")
    name = None if depth_m is None else meta.ground_truth_depth or GROUND_TRUTH_FILE
    return dataclasses.replace(meta, path=path, ground_truth_depth=name)


def _checked_json(meta: FocalStack) -> str:
    file = meta.path / STACK_FILE
    try:
        text = json.dumps(to_json_fields(meta), indent=1, allow_nan=False) + "\n"
        fields = StackFields.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise refusal(field_problems(file, error)) from error
    except (TypeError, ValueError) as error:
        raise StackError(f"{file}: expected finite numbers and plain JSON values, got {error}") from error
    problems = rule_problems(fields) + _shared_names(meta)
    if problems:
        raise refusal([f"{file}: {problem}" for problem in problems])
    return text


def _shared_names(meta: FocalStack) -> list[str]:
    names = [frame.file for frame in meta.frames]
    return [
        f"frames[{index}].file: expected a name of its own, got {name!r} again"
        for index, name in enumerate(names)
        if name in names[:index]
    ]


def _check_arrays(meta: FocalStack, images: Sequence[ImageArray], depth_m: FloatArray | None) -> None:
    size = (meta.camera.height, meta.camera.width)
    if len(images) != len(meta.frames):
        raise StackError(f"{meta.path}: images: expected {len(meta.frames)} (frames), got {len(images)}")
    for index, image in enumerate(images):
        if image.dtype not in (np.uint8, np.uint16) or image.shape not in (size, (*size, 3)):
            raise StackError(
                f"{meta.path}: images[{index}]: expected uint8 or uint16 {size} or {(*size, 3)}, "
                f"got {image.dtype} {image.shape}"
            )
    if depth_m is not None and (depth_m.shape != size or depth_m.dtype.kind != "f"):
        raise StackError(f"{meta.path}: depth_m: expected float {size}, got {depth_m.dtype} {depth_m.shape}")


def write_image(path: Path, image: ImageArray) -> None:
    """Write one frame as PNG, in one step and to the disk itself: RGB (H, W, 3) or mono (H, W), uint8 or uint16.

    Raises:
        StackError: the disk refuses; nothing is left of the file then.
    """
    try:
        _replace(path, _png(image))
    except OSError as error:
        raise StackError(f"{path}: expected a writable file, got {error}") from error


def _png(image: ImageArray) -> bytes:
    bgr = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(".png", bgr, FAST_PNG)
    assert done, "OpenCV encodes every uint8 and uint16 array"
    return encoded.tobytes()


def _npy(depth_m: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, depth_m.astype(np.float32), allow_pickle=False)
    return buffer.getvalue()


def _replace(path: Path, content: bytes) -> None:
    """Write in one step and to the disk itself: after a power cut the file is whole or not there."""
    with replacing(path) as partial, partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
