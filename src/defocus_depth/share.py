"""Where files are: those that come with the package (config/, launch/), and those that users name."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .errors import ConfigError

_PACKAGE = "defocus_depth"


def share_path(*parts: str) -> Path:
    """A file or folder of the share folder, e.g. `share_path("config", "fastdds_shm.xml")`.

    Looked for in the repository (editable and symlink installs), in each prefix of AMENT_PREFIX_PATH (colcon),
    then in the interpreter's prefix (pip).

    Raises:
        ConfigError: it is in none of them.
    """
    for folder in _candidates():
        if (path := folder.joinpath(*parts)).exists():
            return path
    tried = ", ".join(map(str, _candidates()))
    raise ConfigError(f"share folder: expected {'/'.join(parts)} in one of {tried}, found it in none: reinstall")


def user_path(text: str) -> Path:
    """A path as people write it, `~` and `~name` included.

    Raises:
        ConfigError: nobody's home folder, or no path at all.
    """
    if "\0" in text:
        raise ConfigError(f"expected a path, got {text!r}: a null byte")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"expected a path, got {text!r}: {error}") from error


def named_or_path(text: str, what: str, *folder: str) -> Path:
    """The file that a user means: a path, or the name of a YAML file in a folder that comes with the package (`robot`).

    Raises:
        ConfigError: no path, or no file of that name comes with the package: names those that do.
    """
    path = user_path(text)
    if path.suffix or path.name != text:
        return path
    shipped = {file.stem: file for file in share_path(*folder).glob("*.yaml")}
    if text not in shipped:
        names = ", ".join(sorted(shipped))
        raise ConfigError(f"{what}: expected one of {names}, or the path of a {what} YAML, got {text!r}")
    return shipped[text]


def _candidates() -> list[Path]:
    repository = Path(__file__).resolve().parents[2]
    prefixes = [prefix for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    installed = [Path(prefix) / "share" / _PACKAGE for prefix in (*prefixes, sys.prefix)]
    return [repository, *installed] if (repository / "package.xml").is_file() else installed
