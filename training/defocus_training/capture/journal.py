"""A scene in the making: finished frames and what is known of them, safe on the disk as soon as they are taken."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from defocus_depth.atomic import replacing
from defocus_depth.errors import ImageError, StackError
from defocus_depth.image_files import read_image
from defocus_depth.stacks import write_image
from defocus_depth.types import ImageArray

from .step import StepPicture

UNFINISHED = ".unfinished"
_JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class TakenFrame:
    """A finished frame without its pixels, as a line of the journal tells it."""

    step: int
    file: str
    position: float
    stamp_ns: int
    sharpness: float
    exposure_s: float | None = None
    gain: float | None = None
    flags: tuple[str, ...] = ()


class Journal:
    """The folder of an unfinished scene: frames as PNG, and a journal that grows by one line per finished frame.

    A line is written after its picture is on the disk, so that every line has its picture, whatever ends the process.

    Attributes:
        taken: the finished frames, in order.
    """

    def __init__(self, folder: Path, plan: dict[str, Any]) -> None:
        """Open the folder and find what is finished; frames of another plan are set aside, never deleted.

        Args:
            plan: what must be equal for frames to belong together, as plain JSON values.

        Raises:
            StackError: the folder cannot be read or written.
        """
        self.folder, self._plan = folder, json.loads(json.dumps(plan))
        self.taken: list[TakenFrame] = []
        try:
            self._open()
        except OSError as error:
            raise StackError(f"{folder}: expected a writable folder, got {error}") from error

    def add(self, step: int, picture: StepPicture) -> TakenFrame:
        """Have a frame on the disk.

        Raises:
            StackError: the disk refuses; frames before this one are untouched.
        """
        file = f"{step:03d}.png"
        fields = {field.name: getattr(picture, field.name) for field in dataclasses.fields(picture)}
        del fields["pixels"]
        frame = TakenFrame(step=step, file=file, **fields)
        write_image(self.folder / file, picture.pixels)
        self._append(dataclasses.asdict(frame))
        self.taken.append(frame)
        return frame

    def image(self, index: int) -> ImageArray:
        """Pixels of finished frame `index`.

        Raises:
            ImageError: the file cannot be read.
        """
        return read_image(self.folder / self.taken[index].file)

    def set_aside(self) -> Path:
        """Keep the finished frames under another name, and start anew; where they are now."""
        kept = next(path for path in _numbered(self.folder) if not path.exists())
        self.folder.replace(kept)
        self.taken = []
        self._start()
        return kept

    def remove(self) -> None:
        """The scene is finished elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.folder.parent.rmdir()  # only when nothing else is in it

    def _open(self) -> None:
        path = self.folder / _JOURNAL
        if not path.exists():
            self._start()
            return
        lines = list(_lines(path))
        if not lines or lines[0] != {"plan": self._plan}:
            self.set_aside()
            return
        for line in lines[1:]:
            frame = TakenFrame(**{**line, "flags": tuple(line["flags"])})
            if frame.step != len(self.taken) or not self._readable(frame.file):
                break
            self.taken.append(frame)
        with replacing(path) as partial:  # without a last line that was cut off
            whole = [{"plan": self._plan}, *map(dataclasses.asdict, self.taken)]
            partial.write_text("".join(json.dumps(line) + "\n" for line in whole), encoding="utf-8")

    def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._append({"plan": self._plan})

    def _readable(self, file: str) -> bool:
        try:
            read_image(self.folder / file)
        except ImageError:
            return False
        return True

    def _append(self, fields: dict[str, Any]) -> None:
        path = self.folder / _JOURNAL
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(fields) + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StackError(f"{path}: expected a writable file, got {error}") from error


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a journal: the last one may have been cut off."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return


def _numbered(folder: Path) -> Iterator[Path]:
    number = 1
    while True:
        yield folder.with_name(f"{folder.name}.aside-{number}")
        number += 1
