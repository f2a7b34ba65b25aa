"""What the checked input files (stack.json, lens YAML) share: field models and one wording for their errors."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import ConfigError, one_line
from .types import CameraIntrinsics

Model = TypeVar("Model", bound=BaseModel)
CHECKED = ConfigDict(extra="ignore", allow_inf_nan=False)
Positive = Annotated[float, Field(gt=0)]
PositiveInt = Annotated[int, Field(gt=0)]


class CameraFields(BaseModel):
    """`camera{width,height,fx,fy,cx,cy,distortion?}`: pixels; `distortion` in OpenCV's plumb_bob order."""

    model_config = CHECKED
    width: PositiveInt
    height: PositiveInt
    fx: Positive
    fy: Positive
    cx: float
    cy: float
    distortion: tuple[float, ...] | None = None

    def to_camera(self) -> CameraIntrinsics:
        """The value type of these fields."""
        return CameraIntrinsics(**{**self.model_dump(), "distortion": self.distortion or ()})


def read_yaml(path: Path, model: type[Model], what: str) -> Model:
    """The fields of a YAML file, checked.

    Args:
        what: kind of file, for the message where it cannot be read.

    Raises:
        ConfigError: no such file, not YAML, or a field that breaks the schema: names file, field, expected, actual.
    """
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: expected a readable {what}, got {error.strerror or error}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: expected YAML, got {one_line(error)}") from error
    except ArithmeticError as error:
        raise ConfigError(f"{path}: expected numbers that can be computed with, got others: {error}") from error
    except ValidationError as error:
        raise ConfigError(field_problems(path, error)[0]) from error


def field_problems(file: Path, error: ValidationError) -> list[str]:
    """One line per refused field: `file: field: expected …, got …`."""
    return [f"{file}: {_field(item['loc'])}{_expected(item)}" for item in error.errors(include_url=False)]


def set_fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass instance that differ from their defaults, in order: what a file has to say."""
    pairs = [(field, getattr(value, field.name)) for field in dataclasses.fields(value)]
    return {field.name: content for field, content in pairs if content != field.default}


def _field(location: tuple[int | str, ...]) -> str:
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    return f"{name}: " if name else ""


def _expected(item: Any) -> str:
    if item["type"] == "missing":
        return "expected a value, got nothing"
    if item["type"] == "json_invalid":
        return f"expected JSON, got {item['ctx']['error']}"
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    if item["type"] == "unexpected_keyword_argument":  # pydantic's other word for it, where the model is a dataclass
        return f"Extra inputs are not permitted, got {_short(item['input'])}"
    return f"{item['msg'].replace('Input should be', 'expected')}, got {_short(item['input'])}"


def _short(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
