"""A trained model on disk: `<name>.onnx`, its sidecar `<name>.json`, and optional files beside them.

`<name>.safetensors` holds the weights for refining, `<name>.pt2` the exported program of the torch backend,
`<name>.f16.onnx` and `<name>.int8.onnx` the same graph in other precisions.
The graph's interface is fixed (`INPUT_NAMES`, `LENS_SHAPE`, `OUTPUT_NAMES`); everything else about it stands in the
sidecar.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from ..atomic import replacing
from ..checked_input import field_problems
from ..errors import ModelError
from ..types import Transfer

INPUT_NAMES = ("image", "lens")
LENS_SHAPE = (1, 3)
"""Of the input `lens`, float32: G (px per dpt of the working image), F (dpt), and N (dpt), the reciprocal of the
nearest distance (m) at which anything can be: one image does not show on which side of the focus a point lies, and what
is known of the scene settles it."""
OUTPUT_NAMES = ("defocus", "depth", "coc", "inv_depth_scale", "confidence")
VariantPrecision = Literal["f16", "int8"]
SIZE_MULTIPLE = 32
RELEASED_MODEL = Path(__file__).resolve().parents[1] / "models" / "released.onnx"

Side = Annotated[int, Field(ge=SIZE_MULTIPLE, multiple_of=SIZE_MULTIPLE)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Variant(BaseModel):
    """The graph with part of its layers in another precision, `<name>.<precision>.onnx`.

    Attributes:
        sha256: of that file, lower-case hex.
        kept_f32: convolutions left in float32, because lowering them cost too much accuracy.
        metrics: figures beside those of the float32 graph on the same data (`abs_rel`, `f32_abs_rel`, …).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Sha256
    kept_f32: tuple[str, ...] = ()
    metrics: dict[str, FiniteFloat]


class Sidecar(BaseModel):
    """What a model's graph does not say of itself; written by the exporter, read by everything that runs the model.

    Attributes:
        schema_version: `schema` in the file.
        sizes: working sizes (height, width) in px, multiples of 32; the first one is loaded before any image is seen.
        transfer: encoding of the pixel values that the graph expects.
        supervision: `self` (focal stacks alone) or `truth` (ground-truth depth).
        trained_on: one line on the data.
        metrics: figures on validation data, by name, or by data set and name.
        sha256: of the ONNX file, lower-case hex.
        pt2_sha256: of the exported program beside it; None where there is none.
        variants: graphs in other precisions beside it, by precision.
        max_coc_px: largest |CoC| (px of the working image) up to which the model was trained to measure well.
        created: when the model was exported, with its time zone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    sizes: tuple[tuple[Side, Side], ...] = Field(min_length=1)
    transfer: Transfer
    supervision: Literal["self", "truth"]
    trained_on: str = Field(min_length=1)
    metrics: dict[str, FiniteFloat | dict[str, FiniteFloat]]
    sha256: Sha256
    pt2_sha256: Sha256 | None = None
    variants: dict[VariantPrecision, Variant] = Field(default_factory=dict)
    max_coc_px: float = Field(default=20.0, gt=0, allow_inf_nan=False)
    created: AwareDatetime = Field(default_factory=lambda: datetime.now(timezone.utc))

    @model_validator(mode="after")
    def _sizes_differ(self) -> Sidecar:
        if len(set(self.sizes)) != len(self.sizes):
            raise ValueError(f"sizes: expected each size once, got {self.sizes}")
        return self

    def write(self, path: Path) -> None:
        """Write the sidecar to `path` (`<name>.json`) in one step; raises OSError as `open` does."""
        with replacing(path) as partial:
            partial.write_text(self.model_dump_json(indent=2, by_alias=True) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Sidecar:
        """The sidecar in `path`.

        Raises:
            ModelError: missing, unreadable, not JSON, or a field that breaks the schema (named in the message).
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise ModelError(f"{path}: expected a readable model sidecar: {error}") from error
        except ValidationError as error:
            raise ModelError("; ".join(field_problems(path, error))) from error


@dataclass(frozen=True)
class ModelArtifact:
    """A model whose ONNX file has the hash that its sidecar names."""

    onnx_path: Path
    sidecar: Sidecar

    @property
    def weights_path(self) -> Path:
        """Where the fp16 weights lie, if they were shipped."""
        return self.onnx_path.with_suffix(".safetensors")

    @property
    def exported_program_path(self) -> Path:
        """Where the torch backend's exported program lies, if it was made."""
        return self.onnx_path.with_suffix(".pt2")

    def variant_path(self, precision: VariantPrecision) -> Path:
        """Where the graph in another precision lies, if it was made."""
        return variant_path(self.onnx_path, precision)

    def verified_variant(self, precision: VariantPrecision) -> Path:
        """The graph in another precision, whose hash is that of the sidecar.

        Raises:
            ModelError: the sidecar names none, or the file is missing or another.
        """
        path = self.variant_path(precision)
        if precision not in self.sidecar.variants:
            raise ModelError(
                f"{path}: expected a sidecar that names this graph: make it with defocus_training quantise"
            )
        verify_sha256(path, self.sidecar.variants[precision].sha256)
        return path


def variant_path(onnx_path: Path, precision: VariantPrecision) -> Path:
    """`<name>.<precision>.onnx` beside `<name>.onnx`."""
    return onnx_path.with_suffix(f".{precision}.onnx")


def load_artifact(path: Path | None = None) -> ModelArtifact:
    """The model at `path` (`<name>.onnx` with `<name>.json` beside it); None: the one shipped in the package.

    Raises:
        ModelError: a file is missing, the sidecar breaks its schema, or the hash differs.
    """
    onnx_path = RELEASED_MODEL if path is None else Path(path)
    if onnx_path.suffix != ".onnx":
        raise ModelError(f"{onnx_path}: expected a model file <name>.onnx, got suffix {onnx_path.suffix!r}")
    if not onnx_path.is_file():
        raise ModelError(f"{onnx_path}: expected a model file, which is not there")
    sidecar = Sidecar.read(onnx_path.with_suffix(".json"))
    verify_sha256(onnx_path, sidecar.sha256)
    return ModelArtifact(onnx_path, sidecar)


def file_sha256(path: Path) -> str:
    """Lower-case hex SHA-256 of a file's content.

    Raises:
        ModelError: the file cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: expected a readable model file: {error}") from error


def verify_sha256(path: Path, expected: str) -> None:
    """Refuse with a ModelError a file whose content is not what the sidecar was written for."""
    actual = file_sha256(path)
    if actual != expected:
        raise ModelError(f"{path}: expected sha256 {expected} as in its sidecar, got {actual}")
