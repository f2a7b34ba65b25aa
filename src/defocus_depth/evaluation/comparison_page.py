"""The comparison of evaluations as one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..atomic import replacing
from ..errors import ConfigError
from .charts import comparison_chart
from .comparison import COMPARED, PAIRED, TIE, Evaluation, verdict
from .page import environment

FACTS = {
    "method": "method",
    "frames": "frames",
    "n": "number of frames",
    "model": "model",
    "model_sha256": "sha256",
    "supervision": "supervision",
    "backend": "backend",
    "version": "version",
    "commit": "commit",
}
_SHOWN_HASH = 12


def write_comparison(path: Path, evaluations: Sequence[Evaluation], comparison: Mapping[str, Any]) -> None:
    """Write the page of what `comparison.compare` gave for these evaluations.

    Raises:
        ConfigError: the file cannot be written.
    """
    entries = comparison["evaluations"]
    bins = {
        e.label: e.content.distance_bins for e in evaluations if any(b.get("pixels") for b in e.content.distance_bins)
    }
    page = environment().get_template("compare.html.j2").render(
        comparison=comparison,
        entries=entries,
        facts={title: [fact(entry, key) for entry in entries] for key, title in FACTS.items()},
        figures=[(figure, [figure_cell(entry, figure.key) for entry in entries]) for figure in COMPARED],
        paired=PAIRED,
        stacks=_stacks(evaluations),
        chart=comparison_chart(bins) if bins else None,
    )  # fmt: skip
    try:
        with replacing(path) as partial:
            partial.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: expected a writable file, got {error}") from error


def fact(entry: Mapping[str, Any], key: str) -> str:
    """A fact of one evaluation as tables show it."""
    value = entry[key] if key in entry else entry["provenance"][key]
    return "–" if value is None else str(value)[:_SHOWN_HASH] if key == "model_sha256" else str(value)


def figure_cell(entry: Mapping[str, Any], key: str) -> tuple[str, str, str]:
    """A figure, its difference to the baseline with a sign (or nothing), and `better`, `worse` or nothing."""
    value, difference = entry["figures"][key], entry["difference"][key]
    figure = next(figure for figure in COMPARED if figure.key == key)
    shown = "–" if value is None else f"{value:.3f}"
    return (
        shown,
        "" if difference is None or abs(difference) <= TIE else f"{difference:+.3f}",
        verdict(figure, difference),
    )


def _stacks(evaluations: Sequence[Evaluation]) -> list[tuple[str, list[float | None], list[int]]]:
    """Per stack: name, AbsRel of each evaluation, and the places of the best (none where all that are known equal)."""
    columns = [{row.name: row.abs_rel for row in evaluation.content.per_stack} for evaluation in evaluations]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = []
    for name in names:
        values = [column.get(name) for column in columns]
        known = [value for value in values if value is not None]
        best = [place for place, value in enumerate(values) if value is not None and value - min(known) <= TIE]
        rows.append((name, values, best if len(best) < len(known) else []))
    return rows
