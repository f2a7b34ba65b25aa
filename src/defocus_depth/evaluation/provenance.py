"""What figures were made with: model, backend, version and commit; nothing that differs between two equal runs."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..types import LensParameters

if TYPE_CHECKING:
    from ..inference import EstimatorInfo

PROVENANCE_KEYS = ("model", "model_sha256", "supervision", "backend", "version", "commit")
_PACKAGE = Path(__file__).resolve().parents[1]


def provenance(info: EstimatorInfo | None = None) -> dict[str, str | None]:
    """Values by `PROVENANCE_KEYS`; `model` is a file name.

    The first four are None for methods without a network. `commit` is None where the package is not run from its
    repository; `-dirty` marks changed files.
    """
    return {
        "model": info.model_path.name if info else None,
        "model_sha256": info.model_sha256 if info else None,
        "supervision": info.supervision if info else None,
        "backend": info.backend if info else None,
        "version": __version__,
        "commit": _commit(),
    }


def describe_lens(lens: LensParameters) -> str:
    """One line: f, f-number, pixel pitch and the image width for which they hold, or the blur gain."""
    at_width = f", {lens.image_width_px} px wide" if lens.image_width_px else ""
    if lens.focal_length_m and lens.f_number and lens.pixel_pitch_m:
        pitch = f"pixel pitch {lens.pixel_pitch_m * 1e6:.3g} µm"
        return f"f {lens.focal_length_m * 1e3:.4g} mm, f/{lens.f_number:.3g}, {pitch}{at_width}"
    return f"blur gain {lens.blur_gain_px_per_dpt:.4g} px/dpt{at_width}"


def _commit() -> str | None:
    """Of the repository that tracks this file; an installed copy inside some other repository is not tracked there."""
    if _git("ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    return _git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(_PACKAGE), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
