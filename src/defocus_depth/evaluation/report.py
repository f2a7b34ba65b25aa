"""A folder that shows an evaluation: one panel per frame and a table (`report.md`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from .dataset import Sample
from .methods import Prediction
from .metrics import is_depth
from .pictures import Panel, save_panel
from .results import FrameResult
from .summary import SUMMARY_FIGURES

HEADINGS = ("AbsRel ↓", "RMSE m ↓", "δ1 ↑", "δ2 ↑", "CoC px ↓", "valid")


class Report:
    """Collects panels while an evaluation runs; `finish` writes the page."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._panels: dict[str, list[str]] = {}

    def add(self, sample: Sample, prediction: Prediction, result: FrameResult) -> None:
        """Write the panel of one frame."""
        name = f"{sample.name.replace('/', '_')}.png"
        save_panel(self._folder / name, comparison_panels(sample, prediction))
        self._panels.setdefault(result.group, []).append(name)

    def finish(self, title: str, figures: Mapping[str, Any]) -> Path:
        """Write `report.md` from what `run.summary` gave; returns its path.

        Raises:
            ConfigError: the folder cannot be written.
        """
        lines = [f"# {title}", "", f"{figures['n']} frames ({figures['frames']}), method {figures['method']}.", ""]
        lines += _table(figures)
        for group, names in self._panels.items():
            lines += ["", f"## {group}", "", *(f"![{name}]({name.replace(' ', '%20')})" for name in names)]
        page = self._folder / "report.md"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            page.write_text("\n".join(lines) + "\n", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{page}: expected a writable folder, got {error}") from error
        return page


def comparison_panels(sample: Sample, prediction: Prediction) -> list[Panel]:
    """Image, depth, CoC, confidence (where there is one), truth and relative error."""
    maps, truth_m = prediction.maps, sample.truth_depth_m
    known = is_depth(truth_m) & is_depth(maps.depth_m)
    error = np.where(known, np.abs(maps.depth_m - truth_m) / np.where(known, truth_m, 1), np.nan)
    panels: list[Panel] = [
        ("image", sample.image, "image"),
        ("depth", maps.depth_m, "depth"),
        ("circle of confusion", maps.coc_px, "coc"),
    ]
    if prediction.confidence is not None:
        panels.append(("confidence", prediction.confidence, "confidence"))
    return [*panels, ("true depth", truth_m, "depth"), ("relative error", error, "error")]


def _table(figures: Mapping[str, Any]) -> list[str]:
    rows = [("**mean of frames**", figures)]
    if figures["masked"] is not None:
        rows.append((f"confidence ≥ {figures['masked']['min_confidence']}", figures["masked"]))
    rows += [(stack["name"], stack) for stack in figures["per_stack"]]
    return [
        f"| | {' | '.join(HEADINGS)} |",
        f"| --- |{' ---: |' * len(HEADINGS)}",
        *(f"| {name} | {' | '.join(cell(row[figure]) for figure in SUMMARY_FIGURES)} |" for name, row in rows),
    ]


def cell(value: float | None) -> str:
    """A figure as tables show it."""
    return "–" if value is None else f"{value:.3f}"
