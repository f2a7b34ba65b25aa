"""Pictures that people have: image files, focal-stack folders, folders of images, video files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from ..errors import ConfigError, ImageError
from ..image_files import read_image
from ..stacks import find_stacks, load_image, read_stack
from ..types import FocalStack, ImageArray, LensParameters, Transfer


@dataclass(frozen=True)
class InputFrame:
    """One picture and what its source says of its optics (None: nothing).

    Attributes:
        name: path-like, without suffix; names the outputs.
        focus_distance_m: inf allowed; NaN in stacks whose distances are unknown, and differ from frame to frame.
        near_focus_m: the nearest of its stack.
    """

    name: str
    source: Path
    image: ImageArray
    lens: LensParameters | None = None
    focus_distance_m: float | None = None
    transfer: Transfer = "srgb"
    near_focus_m: float | None = None


@dataclass(frozen=True)
class Source:
    """An image, stack or video that exists; `frames` reads it. `count` is what its header says (0: unknown)."""

    path: Path
    count: int
    frames: Callable[[], Iterator[InputFrame]]


def find_sources(paths: Sequence[Path]) -> list[Source]:
    """The sources that the paths stand for; a folder stands for its stacks, or else for its image files.

    Raises:
        ConfigError: there are no paths, or one does not exist or is none of these.
        StackError: a stack folder breaks the schema.
    """
    if not paths:
        raise ConfigError("inputs: expected images, stack folders or videos, got none")
    return [source for path in paths for source in _sources(Path(os.path.abspath(path)))]


def _sources(path: Path) -> list[Source]:
    if path.is_dir():
        stacks = find_stacks(path)
        images = [] if stacks else sorted(child for child in path.iterdir() if child.is_file() and _is_image(child))
        if not stacks and not images:
            raise ConfigError(f"{path}: expected a focal stack, a folder of them or of images, got neither")
        return [_stack_source(stack) for stack in stacks] or [
            _image_source(image, f"{path.name}/{image.stem}") for image in images
        ]
    if not path.exists():
        raise ConfigError(f"{path}: expected an image, a stack folder or a video, got no such file")
    return [_image_source(path, path.stem)] if _is_image(path) else [_video_source(path)]


def _is_image(path: Path) -> bool:
    return cv2.haveImageReader(str(path))


def _image_source(path: Path, name: str) -> Source:
    return Source(path, 1, lambda: iter([InputFrame(name, path, read_image(path))]))


def _stack_source(path: Path) -> Source:
    stack = read_stack(path)
    return Source(path, len(stack.frames), lambda: _stack_frames(stack))


def _stack_frames(stack: FocalStack) -> Iterator[InputFrame]:
    for index, frame in enumerate(stack.frames):
        yield InputFrame(
            name=f"{stack.name}/{Path(frame.file).stem}",
            source=stack.path / frame.file,
            image=load_image(stack, index),
            lens=stack.lens,
            focus_distance_m=frame.focus_distance_m,
            transfer=stack.transfer,
            near_focus_m=stack.near_focus_m,
        )


def _video_source(path: Path) -> Source:
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            raise ConfigError(f"{path}: expected an image, a stack folder or a video, got a file that is none")
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        capture.release()
    return Source(path, max(count, 0), lambda: _video_frames(path))


def _video_frames(path: Path) -> Iterator[InputFrame]:
    capture = cv2.VideoCapture(str(path))
    try:
        index = 0
        while True:
            read, image = capture.read()
            if not read:
                break
            yield InputFrame(f"{path.stem}/{index:06}", path, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            index += 1
        if index == 0:
            raise ImageError(f"{path}: expected a video with frames, got none that decodes")
    finally:
        capture.release()
