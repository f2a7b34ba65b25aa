"""Fills the report's templates (`html/`)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np

from .charts import Moments, confidence_chart, distance_chart, ratio_chart, timeline_chart
from .pictures import encoded
from .summary import SUMMARY_FIGURES
from .tiles import FrameTiles, Picture, Scale, Tile

if TYPE_CHECKING:
    from .report import ReportHead

LAYER_TITLES = {
    "image": "image",
    "depth": "depth",
    "coc": "circle of confusion",
    "error": "relative error",
    "truth": "true depth",
    "confidence": "confidence",
}
_HEADLINES = (
    ("abs_rel", "AbsRel", "mean |d̂ − d| / d", 3),
    ("delta1", "δ1", "within a factor of 1.25", 3),
    ("rmse_m", "RMSE", "metres", 3),
    ("coc_mae_px", "CoC error", "px of the image", 2),
    ("valid_fraction", "valid", "share with depth", 3),
)


@dataclass(frozen=True)
class ReportPage:
    """Everything that `report.html` shows."""

    head: ReportHead
    figures: Mapping[str, Any]
    rows: Sequence[tuple[str, Mapping[str, Any]]]
    tiles: FrameTiles
    lens: Sequence[str]
    moments: Moments


def render_report(page: ReportPage) -> str:
    """The page as HTML that needs nothing from anywhere."""
    figures, tiles = page.figures, page.tiles
    return environment().get_template("report.html.j2").render(
        head=page.head,
        about=_about(page),
        headlines=_headlines(figures),
        columns=SUMMARY_FIGURES,
        rows=page.rows,
        figures=figures,
        charts=_charts(page),
        frames={tile.index: _frame(tile) for tile in tiles},
        worst=tiles.worst,
        best=tiles.best,
        layers={layer: LAYER_TITLES[layer] for layer in tiles.layers},
        scales={layer: _legend(scale) for layer, scale in tiles.scales.items()},
    )  # fmt: skip


@cache
def environment() -> jinja2.Environment:
    """Templates of the package, escaping what they are given; filters `figure` and `percent`."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("defocus_depth.evaluation", "html"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters["figure"] = lambda value, digits=3: "–" if value is None else f"{value:.{digits}f}"
    made.filters["percent"] = lambda value: "–" if value is None else f"{100 * value:.1f} %"
    return made


def data_uri(picture: Picture) -> str:
    """An RGB picture as the address of an `<img>`."""
    return f"data:image/webp;base64,{base64.b64encode(encoded(picture)).decode()}"


def _about(page: ReportPage) -> dict[str, str]:
    """Facts under the title, by name; only those that are known."""
    made_with = page.figures.get("provenance") or {}
    model = f"{made_with.get('model')}, sha256 {made_with.get('model_sha256')}" if made_with.get("model") else None
    version = " ".join(filter(None, (made_with.get("version"), made_with.get("commit"))))
    facts = {
        "method": page.figures["method"],
        "frames": f"{page.figures['n']} ({page.figures['frames']})",
        "model": model,
        "backend": made_with.get("backend"),
        "lens": "; ".join(page.lens),
        "defocus_depth": version,
    }
    return {name: text for name, text in {**facts, **page.head.about}.items() if text}


def _headlines(figures: Mapping[str, Any]) -> list[dict[str, str]]:
    shown = []
    for key, title, meaning, digits in _HEADLINES:
        value = figures[key]
        shown.append({"title": title, "meaning": meaning, "value": "–" if value is None else f"{value:.{digits}f}"})
    return shown


def _charts(page: ReportPage) -> dict[str, str | None]:
    """SVG by name; None where a chart would have nothing to show."""
    figures, moments = page.figures, page.moments
    calibration = figures["calibration"]
    measured = any(row["pixels"] for row in figures["distance_bins"])
    drawn: dict[str, str | None] = {
        "distance": distance_chart(figures["distance_bins"]) if measured else None,
        "ratio": ratio_chart(figures["error_histogram"]) if measured else None,
        "timeline": timeline_chart(moments) if len(moments.abs_rel) > 1 else None,
        "confidence": None,
    }
    if calibration is not None and calibration["reliability"]:
        drawn["confidence"] = confidence_chart(calibration, figures["sparsification"])
    return drawn


def _frame(tile: Tile) -> dict[str, Any]:
    height, width = tile.layers["image"].shape[:2]
    return {
        "name": tile.name,
        "abs_rel": _known(tile.result.figures["abs_rel"]),
        "delta1": _known(tile.result.figures["delta1"]),
        "latency_ms": tile.result.latency_ms,
        "width": width,
        "height": height,
        "layers": {layer: data_uri(picture) for layer, picture in tile.layers.items()},
    }


def _legend(scale: Scale) -> dict[str, str]:
    return {
        "low": f"{scale.low:.3g}",
        "high": f"{scale.high:.3g}",
        "unit": scale.unit,
        "strip": data_uri(np.repeat(scale.strip, 8, axis=0)),
    }


def _known(value: float) -> float | None:
    return value if value == value else None
