"""What a fit has reached, and the file that keeps it from stage to stage."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from defocus_depth.atomic import replacing
from defocus_depth.errors import ConfigError
from defocus_depth.types import FloatArray

from .capture import Capture
from .registration import Registration
from .views import FloatVector


@dataclass(frozen=True)
class FitState:
    """What one stage hands to the next.

    Attributes:
        done: stages done.
        registration: of all frames.
        gain_px_per_dpt, focus_dpt: of all frames, (F,).
        colour, inverse_depth: the scene: radiance (3, H, W) and inverse depth (H, W); empty before there is one.
    """

    done: int
    registration: Registration
    gain_px_per_dpt: FloatVector
    focus_dpt: FloatVector
    colour: FloatArray
    inverse_depth: FloatArray


@dataclass(frozen=True)
class Checkpoint:
    """A file, and the key of the one fit that may go on from it. Without a path nothing is kept."""

    path: Path | None
    key: str

    def load(self) -> FitState | None:
        """The state kept for this fit; None where there is none, or another fit's.

        Raises:
            ConfigError: the file is no checkpoint.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as kept:
                return _unpacked(dict(kept)) if str(kept["key"]) == self.key else None
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise ConfigError(f"{self.path}: expected a fit's checkpoint (delete it to start anew): {error}") from error

    def save(self, state: FitState) -> None:
        """Keep `state` in one step.

        Raises:
            ConfigError: the file cannot be written.
        """
        if self.path is None:
            return
        try:
            with replacing(self.path) as partial, partial.open("wb") as file:
                np.savez(file, key=np.array(self.key), **_packed(state))
        except OSError as error:
            raise ConfigError(f"{self.path}: expected a writable file, got {error}") from error


def fit_key(capture: Capture, *settings: object) -> str:
    """Hash of everything that a fit depends on: pixels, optics, the frame of reference and settings."""
    optics = (capture.focus_dpt.tolist(), None if capture.gain_px_per_dpt is None else capture.gain_px_per_dpt.tolist())
    told = (optics, capture.stack.frames, capture.stack.reference_frame, settings)
    digest = hashlib.sha256(repr(told).encode())
    digest.update(np.ascontiguousarray(capture.frames).data)
    return digest.hexdigest()


def _packed(state: FitState) -> dict[str, Any]:
    flat = vars(state) | vars(state.registration)
    del flat["registration"]
    return flat


def _unpacked(kept: dict[str, Any]) -> FitState:
    return FitState(
        int(kept["done"]),
        Registration(kept["from_reference"], kept["exposure"]),
        *(kept[name] for name in ("gain_px_per_dpt", "focus_dpt", "colour", "inverse_depth")),
    )
