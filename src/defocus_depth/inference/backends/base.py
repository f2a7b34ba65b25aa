"""What every inference backend is given, gives back, and must check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from ...errors import BackendError, BackendUnavailableError, ModelError
from ...types import FloatArray
from ..artifact import INPUT_NAMES, OUTPUT_NAMES, ModelArtifact

Precision = Literal["f32", "bf16"]


@dataclass(frozen=True)
class BackendRequest:
    """A model to be loaded for one working size.

    Attributes:
        height, width: px of the network's input; fixed for the life of the backend.
        threads: CPU threads, 0 = the library's choice.
        precision: of the arithmetic; a backend that cannot do it refuses.
    """

    artifact: ModelArtifact
    height: int
    width: int
    threads: int = 0
    precision: Precision = "f32"


class Backend(Protocol):
    """A model, loaded for one working size by one library. Not for two threads at once.

    Attributes:
        name: as in the registry.
    """

    name: str

    def run(self, image: FloatArray, lens: FloatArray) -> dict[str, FloatArray]:
        """The maps `OUTPUT_NAMES`, each float32 [1, 1, H, W], of one image.

        The arrays may be the backend's own buffers: they hold until the next `run` or `close`.

        Args:
            image: float32 [1, 3, H, W], C-contiguous, 0..1, in the sidecar's transfer.
            lens: float32 [1, 2]: G (px per dpt of the working image), F (dpt).

        Raises:
            BackendError: the library failed, or the inputs have another shape.
        """
        ...

    def close(self) -> None:
        """Free the model. `run` must not be called any more; a second `close` does nothing."""
        ...


def check_interface(request: BackendRequest, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Refuse with a ModelError a graph whose inputs and outputs have other names than DESIGN's."""
    for kind, expected, actual in (("inputs", INPUT_NAMES, inputs), ("outputs", OUTPUT_NAMES, outputs)):
        if sorted(actual) != sorted(expected):
            raise ModelError(
                f"{request.artifact.onnx_path}: expected {kind} {', '.join(expected)}, got {', '.join(actual)}"
            )


def check_maps(request: BackendRequest, maps: Mapping[str, Any]) -> None:
    """Refuse with a ModelError a graph whose maps are missing or not float32 [1, 1, H, W]."""
    check_interface(request, INPUT_NAMES, list(maps))
    expected = (1, 1, request.height, request.width)
    for name, values in maps.items():
        if values.shape != expected or values.dtype != np.float32:
            raise ModelError(
                f"{request.artifact.onnx_path}: output {name}: expected float32 {expected}, "
                f"got {values.dtype} {values.shape}"
            )


def check_inputs(request: BackendRequest, image: FloatArray, lens: FloatArray) -> None:
    """Refuse with a BackendError inputs of another shape or type than those the backend was loaded for."""
    for name, values, shape in (
        ("image", image, (1, 3, request.height, request.width)),
        ("lens", lens, (1, 2)),
    ):
        if values.shape != shape or values.dtype != np.float32:
            raise BackendError(f"{name}: expected float32 {shape}, got {values.dtype} {values.shape}")


def closed(name: str) -> BackendError:
    """The error of a `run` after `close`."""
    return BackendError(f"{name}: expected an open backend, got a closed one")


def require_f32(request: BackendRequest, backend: str) -> None:
    """Refuse, in a backend that computes in float32 only, any other precision."""
    if request.precision != "f32":
        raise BackendUnavailableError(f"{backend}: expected precision f32, got {request.precision}")
