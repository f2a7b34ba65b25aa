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

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...checked_input import read_yaml
from ...inference import AUTO
from ..bags.method import BagMethod
from ..bags.options import OfflineBagOptions
from ..pixel_table import distance_bin_names

DEPTH_FIGURES = ("abs_rel", "rmse_m", "delta1", "delta2", "coc_mae_px", "invalid_ratio")
RUN_FIGURES = ("latency_p95_ms", "drop_ratio", "drops")
FigureName = Literal[
    "abs_rel", "rmse_m", "delta1", "delta2", "coc_mae_px", "invalid_ratio", "latency_p95_ms", "drop_ratio", "drops"
]
_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)
_Rate = Annotated[float, Field(gt=0, le=100)]


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


@dataclass(frozen=True, kw_only=True)
class ScenarioBag(OfflineBagOptions):
    """A bag, and what is on its topics as `evaluate-bag` has it. `path` is absolute once read."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # ranges, and where inf is allowed, are checked by `BagOptions`
    path: Path


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
        if self.mode == "online" and any(bag.render_defocus for bag in self.bags):
            raise ValueError("render_defocus: expected false in mode online, where the node sees the bag's own images")
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
        dataclasses.replace(bag, path=folder / bag.path, extrinsics=absolute(bag.extrinsics)) for bag in scenario.bags
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
