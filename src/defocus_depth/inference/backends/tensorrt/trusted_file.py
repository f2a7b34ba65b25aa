"""Files that hold code for the GPU: written so that nobody else can change them, read only if nobody else could.

A file is one line of JSON and the payload that it describes. Loading an engine runs what it holds, so that a file that
others may write to, a link, or one whose content is not what its first line says is never used.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ....atomic import replacing
from ....errors import BackendError

_KIND = "defocus_depth engine file"
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


class Header(BaseModel):
    """The first line.

    Attributes:
        about: what the payload was made of and for; a file is stale unless all of it is as expected.
        notes: what was found out about it since.
        sha256: of the payload.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    about: dict[str, str]
    notes: dict[str, Any]
    sha256: str


def make_private_folder(folder: Path) -> None:
    """Make the folder, for its owner alone.

    Raises:
        BackendError: it cannot be made, or others may write into it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_owner(folder, folder.stat())
    except OSError as error:
        raise BackendError(f"{folder}: expected a folder for engines that can be written to: {error}") from error


def write_trusted(path: Path, payload: bytes, about: Mapping[str, str], notes: Mapping[str, Any]) -> None:
    """Write the file in one step.

    Raises:
        BackendError: the disk refuses.
    """
    header = Header(kind=_KIND, about=dict(about), notes=dict(notes), sha256=hashlib.sha256(payload).hexdigest())
    try:
        with replacing(path) as partial:
            with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(header.model_dump_json().encode() + b"\n" + payload)
    except OSError as error:
        raise BackendError(f"{path}: expected a file that can be written: {error}") from error


def read_trusted(path: Path, about: Mapping[str, str]) -> tuple[bytes, dict[str, Any]] | None:
    """Payload and notes of the file; None where there is none.

    Raises:
        BackendError: others may have written it, it is damaged, or it is about something else.
    """
    try:
        _check_owner(path.parent, path.parent.stat())
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            _check_owner(path, os.fstat(file.fileno()))
            first, payload = file.readline(), file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BackendError(f"{path}: expected a readable file that is no link: {error}") from error
    header = _header(path, first)
    _check_content(path, header, payload, about)
    return payload, header.notes


def _check_owner(path: Path, status: os.stat_result) -> None:
    if status.st_uid not in (0, os.geteuid()):
        raise BackendError(f"{path}: expected to be owned by this user, got user {status.st_uid}")
    if status.st_mode & _OTHERS_MAY_WRITE:
        mode = stat.filemode(status.st_mode)
        raise BackendError(f"{path}: expected nobody else to have write permission, got {mode}: chmod go-w it")


def _header(path: Path, line: bytes) -> Header:
    try:
        return Header.model_validate_json(line)
    except ValidationError as error:
        raise BackendError(f"{path}: expected the header of an engine file, got {line[:40]!r}") from error


def _check_content(path: Path, header: Header, payload: bytes, about: Mapping[str, str]) -> None:
    if header.kind != _KIND:
        raise BackendError(f"{path}: expected an engine file, got {header.kind!r}")
    for name, expected in about.items():
        if header.about.get(name) != expected:
            raise BackendError(f"{path}: {name}: expected {expected}, got {header.about.get(name)}")
    if hashlib.sha256(payload).hexdigest() != header.sha256:
        raise BackendError(f"{path}: expected the content that its header names, got another: damaged")
