"""The scenario file: which bags, what is on them, and what has to hold.

name: hallway                      # optional, else the file's name
lens: lenses/front.yaml            # relative to this file, or the name of one in config/lenses
mode: offline                      # or online: replayed to the depth node over DDS
bags:
  - {path: bags/hallway_1, image_topic: /camera/image_raw, ground_truth_topic: /depth/image, focus_distance_m: 0.35}
conditions:
  - {figure: abs_rel, at_most: 0.30}
  - {figure: delta1, at_least: 0.6, distance_bin: 0.5-1}
  - {figure: latency_p95_ms, at_most: 50}
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ...checked_input import read_yaml
from ...inference import AUTO
from ..bags.method import BagMethod
from ..bags.request import AUTO_TRANSFER, TOLERANCE_S
from ..pixel_table import distance_bin_names

DEPTH_FIGURES = ("abs_rel", "rmse_m", "delta1", "delta2", "coc_mae_px", "invalid_ratio")
RUN_FIGURES = ("latency_p95_ms", "drop_ratio", "drops")
FigureName = Literal[
    "abs_rel", "rmse_m", "delta1", "delta2", "coc_mae_px", "invalid_ratio", "latency_p95_ms", "drop_ratio", "drops"
]
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)
_Rate = Annotated[float, Field(gt=0, le=100)]
_Focus = Annotated[float, Field(gt=0, allow_inf_nan=True), AfterValidator(lambda value: _number(value))]


def _number(value: float) -> float:
    if math.isnan(value):
        raise ValueError("expected a focus distance > 0 m, inf allowed, got nan")
    return value


class Condition(BaseModel):
    """A bound on one figure of all frames together.

    Attributes:
        figure: means over frames as in the summary; `invalid_ratio`: share of the pixels with truth that have no
            prediction; `drops`, `drop_ratio`: images without a result, and their share.
        distance_bin: metres of true depth, as `0.5-1`: pixels of that distance only; "": all pixels.
    """

    model_config = _STRICT
    figure: FigureName
    at_most: float | None = None
    at_least: float | None = None
    distance_bin: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Condition:
        if (self.at_most is None) == (self.at_least is None):
            raise ValueError("expected either at_most or at_least, got both or neither")
        if self.distance_bin and self.distance_bin not in distance_bin_names():
            raise ValueError(f"distance_bin: expected {', '.join(distance_bin_names())}, got {self.distance_bin!r}")
        if self.distance_bin and self.figure in RUN_FIGURES:
            raise ValueError(f"distance_bin: expected none with {self.figure}, got {self.distance_bin!r}")
        return self

    @property
    def words(self) -> str:
        """As people read it: `abs_rel ≤ 0.3 at 0.5-1 m`."""
        bound = f"≤ {self.at_most:g}" if self.at_most is not None else f"≥ {self.at_least:g}"
        return f"{self.figure} {bound}" + (f" at {self.distance_bin} m" if self.distance_bin else "")

    def holds(self, value: float | None) -> bool:
        """Whether a value meets it; no value does not."""
        if value is None:
            return False
        return value <= self.at_most if self.at_most is not None else value >= (self.at_least or 0.0)


class ScenarioBag(BaseModel):
    """A bag and what is on its topics; the fields are the options of `evaluate-bag`. `path` is absolute once read."""

    model_config = _STRICT
    path: Path
    image_topic: str
    camera_info_topic: str = ""
    ground_truth_topic: str = ""
    ground_truth_info_topic: str = ""
    lens_state_topic: str = ""
    focus_distance_m: _Focus | None = None
    tolerance_s: float = TOLERANCE_S
    lens_state_max_age_s: float = 0.0
    transfer: str = AUTO_TRANSFER
    registered: bool = False
    extrinsics: Path | None = None
    render_defocus: bool = False


class Scenario(BaseModel):
    """A checked scenario file."""

    model_config = _STRICT
    lens: str
    bags: Annotated[list[ScenarioBag], Field(min_length=1)]
    conditions: Annotated[list[Condition], Field(min_length=1)]
    name: str = ""
    mode: Literal["offline", "online"] = "offline"
    rate: _Rate = 1.0
    method: BagMethod = "network"
    model: Path | None = None
    backend: str = AUTO
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.5

    @model_validator(mode="after")
    def _possible(self) -> Scenario:
        if self.mode == "online" and self.method != "network":
            raise ValueError(f"method: expected network in mode online, got {self.method}")
        names = [bag.path.resolve().stem for bag in self.bags]
        if len(set(names)) < len(names):
            raise ValueError(f"bags: expected files or folders of different names, got {names}")
        return self


def read_scenario(path: Path) -> Scenario:
    """The scenario in a YAML file; paths in it are relative to the file.

    Raises:
        ConfigError: no such file, not YAML, an unknown key, or a value out of its range: names file and field.
    """
    scenario = read_yaml(path, Scenario, "scenario YAML")
    return _located(scenario, path)


def _located(scenario: Scenario, path: Path) -> Scenario:
    folder = path.resolve().parent

    def absolute(file: Path | None) -> Path | None:
        return None if file is None else folder / file

    bags = [
        bag.model_copy(update={"path": absolute(bag.path), "extrinsics": absolute(bag.extrinsics)})
        for bag in scenario.bags
    ]
    lens = scenario.lens if Path(scenario.lens).name == scenario.lens and not Path(scenario.lens).suffix else ""
    return scenario.model_copy(
        update={
            "name": scenario.name or path.stem,
            "bags": bags,
            "lens": lens or str(folder / scenario.lens),
            "model": absolute(scenario.model),
        }
    )
