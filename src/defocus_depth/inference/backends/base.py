"""What every inference backend is given, gives back, and must check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from ...errors import BackendError, BackendUnavailableError, ModelError
from ...types import FloatArray, ImageArray, Transfer
from ..artifact import INPUT_NAMES, LENS_SHAPE, OUTPUT_NAMES, ModelArtifact
from ..working_size import WorkingGeometry

Precision = Literal["auto", "f32", "f16", "bf16", "int8"]


@dataclass(frozen=True)
class BackendRequest:
    """A model to be loaded for one working size.

    Attributes:
        height, width: px of the network's input; fixed for the life of the backend.
        threads: CPU threads, 0 = the library's choice.
        precision: of the arithmetic; a backend that cannot do it refuses. auto: the backend's own choice, f32 on CPUs.
        may_build: whether a backend that compiles for minutes may do so now, or takes only what is built already.
    """

    artifact: ModelArtifact
    height: int
    width: int
    threads: int = 0
    precision: Precision = "auto"
    may_build: bool = True


@dataclass(frozen=True)
class Preparation:
    """What lies between a camera's pixels and the network's input: re-encoding, resampling and padding."""

    geometry: WorkingGeometry
    transfer: Transfer
    wanted: Transfer


class Backend(Protocol):
    """A model, loaded for one working size by one library. Not for two threads at once.

    Attributes:
        name: as in the registry.
        precision: in which it computes, never `auto`.
    """

    name: str
    precision: Precision

    def run(self, image: FloatArray, lens: FloatArray) -> dict[str, FloatArray]:
        """The maps `OUTPUT_NAMES`, each float32 [1, 1, H, W], of one image.

        The arrays may be the backend's own buffers: they hold until the next `run` or `close`.

        Args:
            image: float32 [1, 3, H, W], C-contiguous, 0..1, in the sidecar's transfer.
            lens: float32 `LENS_SHAPE`: G (px per dpt of the working image), F (dpt), N (dpt).

        Raises:
            BackendError: the library failed, or the inputs have another shape.
        """
        ...

    def close(self) -> None:
        """Free the model. `run` must not be called any more; a second `close` does nothing."""
        ...


@runtime_checkable
class PixelBackend(Backend, Protocol):
    """A backend that can do the pre-processing too, on the device where it computes."""

    def run_pixels(self, image: ImageArray, preparation: Preparation, lens: FloatArray) -> dict[str, FloatArray] | None:
        """As `run`, of a camera image uint8 (H, W, 3) RGB or (H, W); None where it cannot, and `run` must be used."""
        ...


def check_interface(request: BackendRequest, inputs: Mapping[str, Sequence[Any]], outputs: Sequence[str]) -> None:
    """Refuse with a ModelError a graph whose inputs and outputs have other names, or whose lens has another shape.

    Args:
        inputs: shapes by name, see `check_lens`.
    """
    path = request.artifact.onnx_path
    _check_names(path, "inputs", INPUT_NAMES, list(inputs))
    _check_names(path, "outputs", OUTPUT_NAMES, outputs)
    check_lens(path, inputs["lens"])


def check_lens(path: Path, shape: Sequence[Any]) -> None:
    """Refuse with a ModelError a graph whose input `lens` is not `LENS_SHAPE`: models exported before it had N.

    Args:
        shape: lengths; what is no int, or is -1, is dynamic and takes any length.
    """
    if not takes(shape, LENS_SHAPE):
        expected, found = list(LENS_SHAPE), list(shape)
        raise ModelError(f"{path}: input lens: expected {expected} (G, F, N), got {found}: export the model again")


def takes(shape: Sequence[Any], lengths: Sequence[int]) -> bool:
    """Whether an input of this shape, where what is no int or is -1 is dynamic, can be given these lengths."""
    return len(shape) == len(lengths) and all(
        not isinstance(dimension, int) or dimension in (-1, length)
        for dimension, length in zip(shape, lengths, strict=True)
    )


def _check_names(path: Path, kind: str, expected: Sequence[str], actual: Sequence[str]) -> None:
    if sorted(actual) != sorted(expected):
        raise ModelError(f"{path}: expected {kind} {', '.join(expected)}, got {', '.join(actual)}")


def check_maps(request: BackendRequest, maps: Mapping[str, Any]) -> None:
    """Refuse with a ModelError a graph whose maps are missing or not float32 [1, 1, H, W]."""
    _check_names(request.artifact.onnx_path, "outputs", OUTPUT_NAMES, list(maps))
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
        ("lens", lens, LENS_SHAPE),
    ):
        if values.shape != shape or values.dtype != np.float32:
            raise BackendError(f"{name}: expected float32 {shape}, got {values.dtype} {values.shape}")


def closed(name: str) -> BackendError:
    """The error of a `run` after `close`."""
    return BackendError(f"{name}: expected an open backend, got a closed one")


def chosen_precision(request: BackendRequest, backend: str, offered: Sequence[Precision] = ("f32",)) -> Precision:
    """The precision to run in, the first one offered for `auto`; one that is not offered is refused."""
    if request.precision == "auto":
        return offered[0]
    if request.precision not in offered:
        raise BackendUnavailableError(f"{backend}: expected precision {' or '.join(offered)}, got {request.precision}")
    return request.precision


def graph_path(request: BackendRequest, precision: Precision) -> Path:
    """The ONNX file that computes in this precision: a variant of the model, or the model itself.

    Raises:
        ModelError: the variant is missing, or another than the sidecar's.
    """
    if precision in ("f16", "int8"):
        return request.artifact.verified_variant(precision)
    return request.artifact.onnx_path
