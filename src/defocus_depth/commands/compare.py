"""`defocus_depth compare`: evaluations of models, backends or commits side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional

from ..evaluation.comparison import COMPARED, PAIRED, compare, read_evaluations
from ..evaluation.comparison_page import FACTS, fact, figure_cell, write_comparison
from .dispatch import EXIT_OK, write_json

_STYLES = {"better": "green", "worse": "red", "": "dim"}


@dataclass(frozen=True)
class Options:
    """Which evaluations to compare; the first is the baseline."""

    evaluations: Positional[tuple[Path, ...]]
    """Two or more files that --json of evaluate or evaluate-bag wrote."""
    report: Path | None = None
    """Write the comparison as one self-contained page to this HTML file."""
    json: Path | None = None
    """Write figures, differences and wins to this file."""


def run(options: Options) -> int:
    """Compare, print the tables, write page and JSON."""
    evaluations = read_evaluations(options.evaluations)
    comparison = compare(evaluations)
    write_json(options.json, comparison)
    if options.report:
        write_comparison(options.report, evaluations, comparison)
    console = Console(markup=False, highlight=False)  # labels may hold brackets
    for table in (_figures(comparison["evaluations"]), _paired(comparison["evaluations"])):
        console.print(table)
    for note in comparison["notes"]:
        console.print(note)
    return EXIT_OK


def _figures(entries: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=f"compared with {entries[0]['label']}")
    table.add_column("")
    for entry in entries:
        table.add_column(entry["label"], justify="right", overflow="fold")
    for key, title in FACTS.items():
        table.add_row(title, *(fact(entry, key) for entry in entries), end_section=key == list(FACTS)[-1])
    arrows = {"lower": " ↓", "higher": " ↑", "neither": ""}
    for figure in COMPARED:
        cells = [figure_cell(entry, figure.key) for entry in entries]
        shown = [Text.assemble(value, " ", (difference, _STYLES[verdict])) for value, difference, verdict in cells]
        table.add_row(figure.title + arrows[figure.better], *shown)
    return table


def _paired(entries: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=f"stack by stack against {entries[0]['label']}")
    for heading in ("", "figure", "better on", "worse on", "equal", "mean difference", "p (sign test)"):
        table.add_column(heading, justify="left" if heading in ("", "figure") else "right")
    for entry in entries[1:]:
        for figure in PAIRED:
            wins = entry["paired"][figure.key]
            mean = "–" if wins["mean_difference"] is None else f"{wins['mean_difference']:+.3f}"
            counts = (str(wins[name]) for name in ("wins", "losses", "ties"))
            table.add_row(entry["label"], figure.title, *counts, mean, f"{wins['p_value']:.3f}")
    return table
