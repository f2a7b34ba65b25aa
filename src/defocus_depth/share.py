"""Where the files beside the code are: config/ and launch/, whichever way the package was installed."""

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


def _candidates() -> list[Path]:
    repository = Path(__file__).resolve().parents[2]
    prefixes = [prefix for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    installed = [Path(prefix) / "share" / _PACKAGE for prefix in (*prefixes, sys.prefix)]
    return [repository, *installed] if (repository / "package.xml").is_file() else installed
