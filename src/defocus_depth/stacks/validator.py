"""Tells everything that is wrong with a focal-stack folder, pixels included."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import ImageError, StackError
from ..types import FocalStack
from .reader import load_ground_truth, load_image, parse_stack_file, path_inside, read_depth_array


def validate_stack(path: Path) -> list[str]:
    """The problems of the stack in folder `path`, each naming file, field, expected and actual; [] when good.

    `stack.json` is checked first; only when it holds are images and ground truth decoded and compared with it.
    """
    fields, problems = parse_stack_file(Path(path))
    if fields is None or problems:
        return problems
    stack = fields.to_stack(Path(path))
    return _image_problems(stack) + _ground_truth_problems(stack)


def _image_problems(stack: FocalStack) -> list[str]:
    problems: list[str] = []
    first: tuple[np.dtype, int] | None = None
    for index, frame in enumerate(stack.frames):
        try:
            image = load_image(stack, index)
        except (StackError, ImageError) as error:
            problems.append(str(error))
            continue
        first = first or (image.dtype, image.ndim)
        if (image.dtype, image.ndim) != first:
            problems.append(
                f"{stack.path / frame.file}: pixels: expected {_pixels(*first)} as in the frames before, "
                f"got {_pixels(image.dtype, image.ndim)}"
            )
    return problems


def _pixels(dtype: np.dtype, ndim: int) -> str:
    return f"{'mono' if ndim == 2 else 'RGB'} {dtype}"


def _ground_truth_problems(stack: FocalStack) -> list[str]:
    if stack.ground_truth_depth is None:
        return []
    path = path_inside(stack.path, stack.ground_truth_depth, "ground_truth.depth")
    try:
        load_ground_truth(stack)
        stored = read_depth_array(path)
    except StackError as error:
        return [str(error)]
    problems = []
    if stored.dtype != np.float32:
        problems.append(f"{path}: dtype: expected float32, got {stored.dtype}")
    wrong = int(np.count_nonzero(np.isinf(stored) | (stored <= 0)))
    if wrong:
        problems.append(f"{path}: depth: expected metres > 0, or NaN where unknown, got {wrong} other pixels")
    return problems
