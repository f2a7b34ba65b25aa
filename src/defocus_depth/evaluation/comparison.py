"""Several evaluations side by side: what `--json` of the evaluating commands wrote for models, backends or commits.

The first is the baseline. Beside the figures and their differences, stacks of the same name are compared in pairs:
which evaluation is better on how many of them, and whether that could be chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from ..checked_input import field_problems
from ..errors import ConfigError
from .provenance import PROVENANCE_KEYS

Better = Literal["lower", "higher", "neither"]
TIE = 5e-4
"""Differences up to this count as none: figures are shown to three digits, and backends differ in the last bits."""


@dataclass(frozen=True)
class ComparedFigure:
    """A figure by where it stands in the summary (`a.b`), its title, and which direction is better."""

    key: str
    title: str
    better: Better = "lower"


COMPARED = (
    ComparedFigure("abs_rel", "AbsRel"),
    ComparedFigure("rmse_m", "RMSE, m"),
    ComparedFigure("delta1", "δ1", "higher"),
    ComparedFigure("delta2", "δ2", "higher"),
    ComparedFigure("coc_mae_px", "CoC error, px"),
    ComparedFigure("valid_fraction", "valid", "higher"),
    ComparedFigure("masked.abs_rel", "AbsRel, confident"),
    ComparedFigure("masked.valid_fraction", "valid, confident", "neither"),
    ComparedFigure("median_scaled.abs_rel", "AbsRel, median-scaled"),
    ComparedFigure("sparsification.confident_half_abs_rel", "AbsRel, confident half"),
    ComparedFigure("sparsification.pooled_confident_half_abs_rel", "AbsRel, confident half of all frames together"),
    ComparedFigure("sparsification.ause_abs_rel", "AUSE"),
    ComparedFigure("calibration.ece", "ECE"),
    ComparedFigure("calibration.coverage_50", "50 % interval holds", "neither"),
    ComparedFigure("calibration.coverage_90", "90 % interval holds", "neither"),
    ComparedFigure("temporal.flicker_rel", "flicker"),
)
PAIRED = tuple(figure for figure in COMPARED if figure.key in ("abs_rel", "rmse_m", "delta1"))


class StackRow(BaseModel):
    """One entry of `per_stack`; its other figures are kept as they are."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)
    name: str
    abs_rel: float | None
    rmse_m: float | None
    delta1: float | None


class EvaluationFile(BaseModel):
    """What every evaluation's JSON holds; figures that older versions did not write may be missing."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)
    method: str
    frames: str
    n: int = Field(ge=0)
    abs_rel: FiniteFloat | None
    rmse_m: FiniteFloat | None
    delta1: FiniteFloat | None
    masked: dict[str, FiniteFloat | None] | None
    per_stack: tuple[StackRow, ...]
    median_scaled: dict[str, FiniteFloat | None] = Field(default_factory=dict)
    distance_bins: tuple[dict[str, Any], ...] = ()
    provenance: dict[str, str | None] = Field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """One JSON file: a label that no other has, and what it holds."""

    label: str
    content: EvaluationFile

    def figure(self, key: str) -> float | None:
        """A figure by its key in `COMPARED`; None where the file has none."""
        value: Any = self.content.model_dump()
        for name in key.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        return value if isinstance(value, (int, float)) else None


@dataclass(frozen=True)
class PairedWins:
    """Stacks of equal name in both evaluations, by one figure.

    Attributes:
        wins, losses, ties: stacks where this evaluation is better, worse or equal.
        mean_difference: this minus the baseline; None without common stacks.
        p_value: of the two-sided sign test.
    """

    wins: int
    losses: int
    ties: int
    mean_difference: float | None
    p_value: float


def read_evaluations(paths: Sequence[Path]) -> list[Evaluation]:
    """The files in order, labelled by their names.

    Raises:
        ConfigError: fewer than two, or a file that cannot be read or is no evaluation; names the field.
    """
    if len(paths) < 2:
        raise ConfigError(f"compare: expected at least two evaluations (JSON files), got {len(paths)}")
    stems = [path.stem for path in paths]
    labels: list[str] = []
    for path in paths:
        label = path.stem if stems.count(path.stem) == 1 else f"{path.absolute().parent.name}/{path.stem}"
        labels.append(f"{label} ({len(labels) + 1})" if label in labels else label)
    return [Evaluation(label, _read(path)) for label, path in zip(labels, paths, strict=True)]


def compare(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """The comparison as `--json` writes it.

    Keys: baseline (a label), notes (where evaluations are not of the same frames), evaluations: a list with label,
    method, frames, n, provenance, figures, difference (to the baseline; None where either is missing) and paired
    (by figure: wins, losses, ties, mean_difference, p_value).
    """
    baseline = evaluations[0]
    return {
        "baseline": baseline.label,
        "notes": _notes(evaluations),
        "evaluations": [_entry(evaluation, baseline) for evaluation in evaluations],
    }


def verdict(figure: ComparedFigure, difference: float | None) -> Literal["better", "worse", ""]:
    """Which way a difference goes; empty for none."""
    if difference is None or abs(difference) <= TIE or figure.better == "neither":
        return ""
    return "better" if (difference < 0) == (figure.better == "lower") else "worse"


def paired_wins(one: Evaluation, baseline: Evaluation, figure: ComparedFigure) -> PairedWins:
    """`one` against `baseline` on the stacks that both have with a figure."""
    ours, theirs = _by_stack(one, figure.key), _by_stack(baseline, figure.key)
    differences = [ours[name] - theirs[name] for name in ours if name in theirs]
    verdicts = [verdict(figure, difference) for difference in differences]
    wins, losses = verdicts.count("better"), verdicts.count("worse")
    mean = sum(differences) / len(differences) if differences else None
    return PairedWins(wins, losses, len(differences) - wins - losses, mean, sign_test(wins, losses))


def sign_test(wins: int, losses: int) -> float:
    """Two-sided p-value of `wins` against `losses` if either were as likely. Dixon & Mood, JASA 41, 1946."""
    pairs = wins + losses
    tail = sum(math.comb(pairs, count) for count in range(min(wins, losses) + 1))
    return min(1.0, 2 * tail / 2**pairs)


def _entry(evaluation: Evaluation, baseline: Evaluation) -> dict[str, Any]:
    figures = {figure.key: evaluation.figure(figure.key) for figure in COMPARED}
    reference = {figure.key: baseline.figure(figure.key) for figure in COMPARED}
    content = evaluation.content
    return {
        "label": evaluation.label,
        "method": content.method,
        "frames": content.frames,
        "n": content.n,
        "provenance": {key: content.provenance.get(key) for key in PROVENANCE_KEYS},
        "figures": figures,
        "difference": {key: _difference(value, reference[key]) for key, value in figures.items()},
        "paired": {figure.key: vars(paired_wins(evaluation, baseline, figure)) for figure in PAIRED},
    }


def _difference(value: float | None, reference: float | None) -> float | None:
    return None if value is None or reference is None else value - reference


def _notes(evaluations: Sequence[Evaluation]) -> list[str]:
    """A sentence for each evaluation whose figures are not of the baseline's frames."""
    first, notes = evaluations[0], []
    for other in evaluations[1:]:
        for name in ("frames", "n"):
            expected, actual = getattr(first.content, name), getattr(other.content, name)
            if expected != actual:
                notes.append(f"{other.label}: {name} is {actual}, {expected} in {first.label}: not the same frames.")
        stacks = {row.name for row in first.content.per_stack} ^ {row.name for row in other.content.per_stack}
        if stacks:
            notes.append(f"{other.label}: {len(stacks)} stacks are not in both it and {first.label}.")
    return notes


def _by_stack(evaluation: Evaluation, key: str) -> dict[str, float]:
    rows = {row.name: getattr(row, key) for row in evaluation.content.per_stack}
    return {name: value for name, value in rows.items() if value is not None}


def _read(path: Path) -> EvaluationFile:
    try:
        return EvaluationFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: expected an evaluation's JSON file, got {error}") from error
    except ValidationError as error:
        raise ConfigError("; ".join(field_problems(path, error))) from error
