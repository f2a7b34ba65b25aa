"""Reads focal-stack folders (schema 1); every refusal names file, field, expected and actual."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from ..checked_input import field_problems
from ..errors import StackError
from ..image_files import read_image
from ..types import FloatArray, FocalStack, ImageArray
from .schema import STACK_FILE, StackFields, rule_problems


def read_stack(path: Path) -> FocalStack:
    """The stack in folder `path`, checked field by field; pixels are read by `load_image`.

    Raises:
        StackError: `stack.json` is missing or breaks the schema, or a file name leads out of the folder.
    """
    fields, problems = parse_stack_file(Path(path))
    if fields is None or problems:
        raise refusal(problems)
    return fields.to_stack(Path(path))


def load_image(stack: FocalStack, index: int) -> ImageArray:
    """Frame `index`: RGB (H, W, 3) or mono (H, W), uint8 or uint16, as stored.

    Raises:
        StackError: the index or the image's size is not what `stack.json` says.
        ImageError: the file is missing, or not an 8- or 16-bit image.
    """
    if not 0 <= index < len(stack.frames):
        raise StackError(f"{stack.path}: frame index: expected 0..{len(stack.frames) - 1}, got {index}")
    field = f"frames[{index}].file"
    path = path_inside(stack.path, stack.frames[index].file, field)
    return _of_camera_size(stack, read_image(path), path)


def load_ground_truth(stack: FocalStack) -> FloatArray | None:
    """Depth in metres z, float32 (H, W) in the reference frame's pixels; None where the stack has none.

    NaN marks every pixel without truth (the file's NaN, and anything that is no depth: ≤ 0 or infinite).

    Raises:
        StackError: the file is missing, not a float .npy, or not of the camera's size.
    """
    if stack.ground_truth_depth is None:
        return None
    path = path_inside(stack.path, stack.ground_truth_depth, "ground_truth.depth")
    depth_m = _of_camera_size(stack, read_depth_array(path), path).astype(np.float32)
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(depth_m) & (depth_m > 0), depth_m, np.float32(np.nan))


def find_stacks(folder: Path) -> list[Path]:
    """The stack folders of a data set, sorted by name: `folder` itself, or its children (links followed).

    Raises:
        StackError: `folder` is not a folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise StackError(
            f"{folder}: expected a folder of focal stacks, got {'a file' if folder.exists() else 'nothing'}"
        )
    if (folder / STACK_FILE).exists():
        return [folder]
    return sorted(child for child in folder.iterdir() if child.is_dir() and (child / STACK_FILE).exists())


def parse_stack_file(path: Path) -> tuple[StackFields | None, list[str]]:
    """The checked fields of the stack in `path`, and everything that `stack.json` alone gets wrong."""
    file = path / STACK_FILE
    try:
        text = path_inside(path, STACK_FILE, "stack folder").read_bytes()
        fields = StackFields.model_validate_json(text, strict=True)
    except StackError as error:
        return None, [str(error)]
    except OSError as error:
        return None, [f"{file}: expected a readable file, got {error.strerror or error}"]
    except ValidationError as error:
        return None, field_problems(file, error)
    problems = [f"{file}: {problem}" for problem in rule_problems(fields)]
    return fields, problems or _escaping_files(path, fields)


def refusal(problems: list[str]) -> StackError:
    """The error that tells the first problem, and how many more there are."""
    more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
    return StackError(problems[0] + more)


def path_inside(folder: Path, name: str, field: str) -> Path:
    """`folder/name`, refused when it resolves to somewhere outside (.., absolute, or a symbolic link).

    Raises:
        StackError: the name leads out of the folder.
    """
    try:
        inside = (folder / name).resolve().is_relative_to(folder.resolve())
    except (ValueError, OSError, RuntimeError) as error:  # NUL bytes, link loops
        raise StackError(f"{folder / STACK_FILE}: {field}: expected a file name, got {name!r}: {error}") from error
    if not inside:
        raise StackError(f"{folder / STACK_FILE}: {field}: expected a file inside the stack folder, got {name!r}")
    return folder / name


def read_depth_array(path: Path) -> npt.NDArray[Any]:
    """The floating-point array of a .npy file (no pickles).

    Raises:
        StackError: not there, or not a float array.
    """
    try:
        depth_m = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise StackError(f"{path}: ground_truth.depth: expected a float32 .npy file, got {error}") from error
    if not isinstance(depth_m, np.ndarray) or depth_m.dtype.kind != "f":
        raise StackError(
            f"{path}: ground_truth.depth: expected float32, got {getattr(depth_m, 'dtype', type(depth_m))}"
        )
    return depth_m


def _escaping_files(path: Path, fields: StackFields) -> list[str]:
    names = [(f"frames[{index}].file", frame.file) for index, frame in enumerate(fields.frames)]
    if fields.ground_truth and fields.ground_truth.depth is not None:
        names.append(("ground_truth.depth", fields.ground_truth.depth))
    problems = []
    for field, name in names:
        try:
            path_inside(path, name, field)
        except StackError as error:
            problems.append(str(error))
    return problems


def _of_camera_size(stack: FocalStack, array: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    height, width = stack.camera.height, stack.camera.width
    if array.shape[:2] != (height, width):
        actual = "x".join(map(str, array.shape[1::-1]))
        raise StackError(f"{path}: size: expected {width}x{height} (camera), got {actual}")
    return array
