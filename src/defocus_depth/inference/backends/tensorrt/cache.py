"""Where built engines are kept, outside of what was installed: `$DEFOCUS_DEPTH_ENGINES` or the user's cache folder.

An engine is good for one graph, one version of the library, one GPU, one precision and one working size: all of them
are in its file's name and, in full, in its header. What does not fit, or may have been tampered with, is never loaded.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from ....errors import BackendError
from .device import GpuIdentity
from .trusted_file import make_private_folder, read_trusted, write_trusted

FOLDER_VARIABLE = "DEFOCUS_DEPTH_ENGINES"
ANY_GPU = GpuIdentity("any GPU", "any")
"""What portable engines are built for."""
_LOCK_TIMEOUT_S = 1800.0  # another process may be building the same engine


@dataclass(frozen=True)
class EngineKey:
    """What an engine was made of and for.

    Attributes:
        library: flavour and version, as in `tensorrt 10.3.0`.
        gpu: `ANY_GPU` for portable engines.
        graph_sha256: of the ONNX graph, which is another one for every precision.
        size: `320x256`, width first.
    """

    library: str
    gpu: GpuIdentity
    graph_sha256: str
    precision: str
    size: str

    @property
    def about(self) -> dict[str, str]:
        """Every field in words, for the file's header."""
        return {**asdict(self), "gpu": str(self.gpu)}

    @property
    def stem(self) -> str:
        """The file's name without suffix."""
        parts = (self.graph_sha256[:12], self.precision, self.size, self.library, self.gpu.name, self.gpu.capability)
        return "_".join(map(_for_a_file, parts))


@dataclass(frozen=True)
class CachedEngine:
    """A serialised engine.

    Attributes:
        verified_on: the GPU on which its maps were compared with the CPU's and found good; "" where nowhere yet.
        figures: of that comparison.
        refused_on: the GPU on which they were found beyond the limits; "" where nowhere yet.
        refusal: what was beyond them there.
    """

    engine: bytes
    verified_on: str = ""
    figures: dict[str, float] | None = None
    refused_on: str = ""
    refusal: str = ""


class EngineCache:
    """The folder. None: the one that the environment names."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or default_folder()

    def path(self, key: EngineKey) -> Path:
        """The engine's file, there or not."""
        return self.folder / f"{key.stem}.engine"

    def written_ns(self, key: EngineKey) -> int:
        """When the engine's file was written last (ns since the epoch); 0 where there is none."""
        try:
            return self.path(key).lstat().st_mtime_ns
        except OSError:
            return 0

    def load(self, key: EngineKey) -> CachedEngine | None:
        """The engine; None where none was built.

        Raises:
            BackendError: a file is there that must not be trusted: damaged, stale, or open to others.
        """
        found = read_trusted(self.path(key), key.about)
        if found is None:
            return None
        engine, notes = found
        words = {name: str(notes.get(name, "")) for name in ("verified_on", "refused_on", "refusal")}
        return CachedEngine(engine, figures=notes.get("figures"), **words)

    def store(self, key: EngineKey, cached: CachedEngine) -> Path:
        """Keep the engine, in the place of any other for this key; returns its file."""
        make_private_folder(self.folder)
        found = {name: value for name, value in vars(cached).items() if name != "engine"}
        notes = {"verified": bool(cached.verified_on), **found}
        write_trusted(self.path(key), cached.engine, key.about, notes)
        return self.path(key)

    def load_notes(self, name: str, about: dict[str, str]) -> bytes:
        """A timing or runtime cache of the library; empty where there is none to be trusted: it only saves time."""
        try:
            found = read_trusted(self.notes_path(name), about)
        except BackendError:
            return b""
        return b"" if found is None else found[0]

    def store_notes(self, name: str, about: dict[str, str], content: bytes) -> None:
        """Keep a timing or runtime cache."""
        make_private_folder(self.folder)
        write_trusted(self.notes_path(name), content, about, {})

    def notes_path(self, name: str) -> Path:
        """The file of such a cache, there or not. GPUs have names like `Quadro RTX 6000/8000`."""
        return self.folder / _for_a_file(name, kept="_")

    @contextlib.contextmanager
    def building(self, key: EngineKey) -> Iterator[None]:
        """While one process builds the engine others wait: to find it built, if `written_ns` has changed.

        Raises:
            BackendError: it takes longer than half an hour.
        """
        from filelock import FileLock, Timeout

        make_private_folder(self.folder)
        lock = self.folder / f"{key.stem}.lock"
        try:
            with FileLock(lock, timeout=_LOCK_TIMEOUT_S):
                yield
        except Timeout as error:
            raise BackendError(f"{lock}: expected another process to have built the engine by now") from error


def _for_a_file(text: str, kept: str = "") -> str:
    return re.sub(rf"[^A-Za-z0-9.{kept}]+", "-", text)


def default_folder() -> Path:
    """`$DEFOCUS_DEPTH_ENGINES`, else `engines` in the user's cache folder (XDG base directory specification)."""
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "defocus_depth" / "engines"
