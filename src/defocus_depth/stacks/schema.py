"""`stack.json`, schema 1: its fields, the rules between them, and the way to and from `FocalStack`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from ..checked_input import CHECKED, CameraFields, Positive, set_fields
from ..errors import OpticsError
from ..optics import blur_gain_px_per_dpt, focus_dpt
from ..types import Affine2x3, FocalStack, Frame, LensParameters, Transfer

STACK_FILE = "stack.json"
SCHEMA = 1
OPTIONAL_FRAME_FIELDS = (
    "focus_coordinate",
    "focus_position",
    "exposure_s",
    "gain",
    "stamp_ns",
    "temperature_c",
    "sharpness",
    "to_reference",
    "repeat_of",
)


class FrameFields(BaseModel):
    """One entry of `frames`."""

    model_config = CHECKED
    file: str
    focus_distance_m: Positive | None = None
    focus_coordinate: float | None = None
    focus_position: float | None = None
    exposure_s: float | None = None
    gain: float | None = None
    stamp_ns: int | None = None
    temperature_c: float | None = None
    sharpness: float | None = None
    to_reference: Affine2x3 | None = None
    flags: tuple[str, ...] | None = None
    repeat_of: int | None = None

    def to_frame(self, metric: bool) -> Frame:
        """The value type: null is infinity in a metric stack; a stack that is not metric has no distances."""
        distance_m = math.inf if self.focus_distance_m is None else self.focus_distance_m
        optional = {name: getattr(self, name) for name in OPTIONAL_FRAME_FIELDS}
        return Frame(self.file, distance_m if metric else math.nan, flags=self.flags or (), **optional)


class GroundTruthFields(BaseModel):
    """`ground_truth{depth}`: the file name of float32 (H, W) metres z."""

    model_config = CHECKED
    depth: str | None = None


def _described(source: Any) -> Any:
    return {"description": source} if isinstance(source, str) else source


class StackFields(BaseModel):
    """The whole of `stack.json`; unknown keys are dropped."""

    model_config = CHECKED
    schema_version: Literal[1] = Field(alias="schema")
    metric: bool = True
    lens: LensParameters | None = None
    camera: CameraFields
    transfer: Transfer = "srgb"
    reference_frame: int = Field(default=0, ge=0)
    frames: list[FrameFields] = Field(min_length=1)
    ground_truth: GroundTruthFields | None = None
    source: Annotated[dict[str, Any] | None, BeforeValidator(_described)] = None

    def to_stack(self, path: Path) -> FocalStack:
        """The value type of the stack in folder `path`."""
        return FocalStack(
            path=path,
            frames=tuple(frame.to_frame(self.metric) for frame in self.frames),
            lens=self.lens,
            camera=self.camera.to_camera(),
            transfer=self.transfer,
            reference_frame=self.reference_frame,
            metric=self.metric,
            ground_truth_depth=self.ground_truth.depth if self.ground_truth else None,
            source=self.source or {},
        )


def rule_problems(fields: StackFields) -> list[str]:
    """What the fields break together, as `field: expected …, got …`."""
    frames = fields.frames
    problems = list(_file_problems(fields))
    if fields.reference_frame >= len(frames):
        problems.append(f"reference_frame: expected < {len(frames)} (the frames), got {fields.reference_frame}")
    for index, frame in enumerate(frames):
        if frame.repeat_of is not None and (not 0 <= frame.repeat_of < len(frames) or frame.repeat_of == index):
            problems.append(
                f"frames[{index}].repeat_of: expected another frame, 0..{len(frames) - 1}, got {frame.repeat_of}"
            )
    problems += _metric_problems(fields) if fields.metric else _relative_problems(fields)
    return problems


def _file_problems(fields: StackFields) -> Iterator[str]:
    names = [(f"frames[{index}].file", frame.file, ".png") for index, frame in enumerate(fields.frames)]
    if fields.ground_truth and fields.ground_truth.depth is not None:
        names.append(("ground_truth.depth", fields.ground_truth.depth, ".npy"))
    for field, name, suffix in names:
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts or "\\" in name or "\0" in name:
            yield f"{field}: expected a name inside the stack folder, got {name!r}"
        elif parts.suffix.lower() != suffix:
            yield f"{field}: expected a {suffix} file, got {name!r}"


def _metric_problems(fields: StackFields) -> list[str]:
    problems = ["lens: expected lens parameters (metric stack), got nothing"] if fields.lens is None else []
    for index, frame in enumerate(fields.frames):
        field = f"frames[{index}].focus_distance_m"
        if "focus_distance_m" not in frame.model_fields_set:
            problems.append(f"{field}: expected metres, or null for infinity (metric stack), got nothing")
        elif fields.lens is not None and frame.focus_distance_m is not None:
            problems += _optics_problems(field, frame.focus_distance_m, fields.lens, fields.camera.width)
    in_dioptres = [0.0 if frame.focus_distance_m is None else 1 / frame.focus_distance_m for frame in fields.frames]
    return problems + _order_problems(fields, in_dioptres, "focus_distance_m")


def _optics_problems(field: str, distance_m: float, lens: LensParameters, width_px: int) -> list[str]:
    try:
        blur_gain_px_per_dpt(lens, focus_dpt(distance_m, lens), width_px)
    except OpticsError as error:
        return [f"{field}: {error}"]
    return []


def _relative_problems(fields: StackFields) -> list[str]:
    coordinates = [frame.focus_coordinate for frame in fields.frames]
    missing = [index for index, coordinate in enumerate(coordinates) if coordinate is None]
    if missing:
        return [
            f"frames[{index}].focus_coordinate: expected a number (metric: false), got nothing" for index in missing
        ]
    return _order_problems(fields, [float(coordinate or 0.0) for coordinate in coordinates], "focus_coordinate")


def _order_problems(fields: StackFields, coordinates: list[float], name: str) -> list[str]:
    """Nearest focus first; frames that repeat an earlier one (drift checks) may stand anywhere."""
    ordered = [index for index, frame in enumerate(fields.frames) if frame.repeat_of is None]
    return [
        f"frames[{later}].{name}: expected nearest focus first, not nearer than frames[{earlier}], "
        f"got {getattr(fields.frames[later], name)!r} after {getattr(fields.frames[earlier], name)!r}"
        for earlier, later in itertools.pairwise(ordered)
        if coordinates[later] > coordinates[earlier]
    ]


def to_json_fields(stack: FocalStack) -> dict[str, Any]:
    """What `stack.json` says of `stack`; values at their defaults are left out, NaN is not representable."""
    content: dict[str, Any] = {"schema": SCHEMA}
    if not stack.metric:
        content["metric"] = False
    if stack.lens is not None:
        content["lens"] = set_fields(stack.lens)
    content["camera"] = set_fields(stack.camera)
    content["transfer"] = stack.transfer
    content["reference_frame"] = stack.reference_frame
    content["frames"] = [_frame_fields(frame, stack.metric) for frame in stack.frames]
    if stack.ground_truth_depth is not None:
        content["ground_truth"] = {"depth": stack.ground_truth_depth}
    if stack.source:
        content["source"] = stack.source
    return content


def _frame_fields(frame: Frame, metric: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"file": frame.file}
    if metric:
        content["focus_distance_m"] = None if math.isinf(frame.focus_distance_m) else frame.focus_distance_m
    content |= {name: getattr(frame, name) for name in OPTIONAL_FRAME_FIELDS if getattr(frame, name) is not None}
    if frame.flags:
        content["flags"] = list(frame.flags)
    return content
