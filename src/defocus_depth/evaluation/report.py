"""The report of an evaluation: `report.html`, one self-contained page, and `report.md` with the same table.

Beside the figures of all frames it holds pictures of a bounded number of them (`gallery`), so that neither memory nor
the page grow with the data set.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..atomic import check_place, replacing
from ..errors import ConfigError
from ..types import LensParameters
from .charts import Moments
from .dataset import Sample
from .gallery import Gallery, error_map
from .methods import Prediction
from .page import ReportPage, render_report
from .pictures import Panel, encoded
from .provenance import describe_lens
from .results import FrameResult
from .summary import SUMMARY_FIGURES
from .tiles import FrameTiles

HEADINGS = ("AbsRel ↓", "RMSE m ↓", "δ1 ↑", "δ2 ↑", "CoC px ↓", "valid")
MAX_LENSES = 3


@dataclass(frozen=True)
class ReportTable:
    """A further table of the page, for example conditions or rates of an online run."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class ReportHead:
    """What the page says above and beside the figures.

    Attributes:
        about: facts by name (data, method …), shown under the title after model and backend.
        notes: sentences the reader must not miss.
    """

    title: str
    about: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    tables: Sequence[ReportTable] = ()


class Report:
    """Collects what the page shows while an evaluation runs; `finish` writes it into `folder`.

    Of every frame it keeps three numbers, and pictures of at most `gallery.SPREAD` + 2 · `gallery.EXTREMES` frames.

    Raises:
        ConfigError: there cannot be such a folder.
    """

    def __init__(self, folder: Path) -> None:
        check_place(folder / "report.html")
        self._folder = folder
        self._gallery = Gallery()
        self._lenses: dict[LensParameters, None] = {}
        self._time_s: list[float] = []
        self._abs_rel: list[float] = []
        self._latency_ms: list[float] = []

    def add(self, sample: Sample, prediction: Prediction, result: FrameResult) -> None:
        """Take in one frame; fits `run.OnFrame`."""
        self._gallery.add(sample, prediction, result)
        if len(self._lenses) <= MAX_LENSES:
            self._lenses[sample.lens] = None
        self._time_s.append(math.nan if result.stamp_ns is None else result.stamp_ns / 1e9)
        self._abs_rel.append(result.figures["abs_rel"])
        self._latency_ms.append(math.nan if result.latency_ms is None else result.latency_ms)

    def finish(self, head: ReportHead | str, figures: Mapping[str, Any]) -> Path:
        """Write the pages from what `summary.summary` gave; returns the path of `report.html`.

        Raises:
            ConfigError: the folder cannot be written.
        """
        head = ReportHead(head) if isinstance(head, str) else head
        tiles = FrameTiles(self._gallery)
        page = ReportPage(
            head=head,
            figures=figures,
            rows=table_rows(figures),
            tiles=tiles,
            lens=self._lens_lines(),
            moments=Moments(self._time_s, self._abs_rel, self._latency_ms),
        )
        panels = {f"{tile.name.replace('/', '_')}.png": encoded(tile.panel, ".png") for tile in tiles}
        pages = {
            "report.md": _markdown(head, figures, list(panels)).encode(),
            "report.html": render_report(page).encode(),
        }
        return self._write({**panels, **pages})

    def _lens_lines(self) -> list[str]:
        lines = [describe_lens(lens) for lens in list(self._lenses)[:MAX_LENSES]]
        return [*lines, "and others"] if len(self._lenses) > MAX_LENSES else lines

    def _write(self, files: Mapping[str, bytes]) -> Path:
        for name, content in files.items():
            try:
                with replacing(self._folder / name) as partial:
                    partial.write_bytes(content)
            except OSError as error:
                raise ConfigError(f"{self._folder / name}: expected a writable folder, got {error}") from error
        return self._folder / "report.html"


def comparison_panels(sample: Sample, prediction: Prediction) -> list[Panel]:
    """Image, depth, CoC, confidence (where there is one), truth and relative error."""
    maps, truth_m = prediction.maps, sample.truth_depth_m
    panels: list[Panel] = [
        ("image", sample.image, "image"),
        ("depth", maps.depth_m, "depth"),
        ("circle of confusion", maps.coc_px, "coc"),
    ]
    if prediction.confidence is not None:
        panels.append(("confidence", prediction.confidence, "confidence"))
    error = error_map(maps.depth_m, truth_m)
    return [*panels, ("true depth", truth_m, "depth"), ("relative error", error, "error")]


def table_rows(figures: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The rows of the main table, by name: mean, masked, median-scaled where they are, then each stack."""
    rows = [("mean of frames", figures)]
    if figures["masked"] is not None:
        rows.append((f"confidence ≥ {figures['masked']['min_confidence']}", figures["masked"]))
    if figures.get("median_scaled"):
        rows.append(("median-scaled", figures["median_scaled"]))
    return rows + [(stack["name"], stack) for stack in figures["per_stack"]]


def cell(value: float | None) -> str:
    """A figure as tables show it."""
    return "–" if value is None else f"{value:.3f}"


def _markdown(head: ReportHead, figures: Mapping[str, Any], panels: Sequence[str]) -> str:
    lines = [f"# {head.title}", "", f"{figures['n']} frames ({figures['frames']}), method {figures['method']}.", ""]
    lines += [f"- {note}" for note in head.notes]
    lines += [f"| | {' | '.join(HEADINGS)} |", f"| --- |{' ---: |' * len(HEADINGS)}"]
    for name, row in table_rows(figures):
        lines.append(f"| {name} | {' | '.join(cell(row.get(figure)) for figure in SUMMARY_FIGURES)} |")
    lines += _confident_half(figures["sparsification"]) if figures["sparsification"] else []
    lines += ["", *(f"![{name}]({name.replace(' ', '%20')})" for name in panels)]
    return "\n".join(lines) + "\n"


def _confident_half(sparsification: Mapping[str, Any]) -> list[str]:
    by_frame, pooled, everything = (
        cell(sparsification[f"{name}abs_rel"]) for name in ("confident_half_", "pooled_confident_half_", "pooled_")
    )
    return [
        "",
        f"AbsRel of the more confident half of each frame's pixels {by_frame}, of all frames' pixels together {pooled} "
        f"(of all {everything}).",
    ]
