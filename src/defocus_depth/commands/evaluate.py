"""`defocus_depth evaluate`: figures against ground truth on a folder of focal stacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from rich.progress import track
from rich.table import Table
from tyro.conf import OmitArgPrefixes, Positional

from ..errors import ConfigError
from ..evaluation.dataset import FUSED, StackSamples
from ..evaluation.methods import (
    MethodName,
    Predict,
    constant_method,
    depth_from_focus_method,
    fused_method,
    network_method,
    zhuo_sim_method,
)
from ..evaluation.provenance import provenance
from ..evaluation.report import HEADINGS, Report, ReportHead, cell, table_rows
from ..evaluation.results import JudgedFrames
from ..evaluation.run import evaluate_samples
from ..evaluation.summary import SUMMARY_FIGURES, summary
from ..inference import AUTO, Estimator, EstimatorConfig, load_estimator
from .dispatch import EXIT_OK, write_json


@dataclass(frozen=True)
class Options:
    """What to evaluate, and with which method."""

    dataset: Positional[Path]
    """Folder of focal stacks with ground truth (or one stack)."""
    frames: str = "first"
    """Frames of each stack: first (nearest focus), reference, all, an index counted from 0, or fused: all frames
    together, one result per stack."""
    method: MethodName = "network"
    """network: one image in; constant: the data set's median depth; dff_sml: depth from focus over the whole stack;
    zhuo_sim: edge blur of one image."""
    model: Path | None = None
    """ONNX model with its sidecar; the shipped one if not given."""
    backend: str = AUTO
    """Inference backend; auto takes the fastest there is."""
    estimator: Annotated[EstimatorConfig, OmitArgPrefixes] = field(default_factory=EstimatorConfig)
    min_confidence: float = 0.5
    """Pixels below this confidence (0..1) are left out of the masked figures."""
    json: Path | None = None
    """Write the figures to this file."""
    report: Path | None = None
    """Write report.html (one page with everything in it), and a table and panels as report.md, into this folder."""


def run(options: Options) -> int:
    """Evaluate, print the table, write JSON and report."""
    samples = StackSamples(options.dataset, options.frames)
    report = Report(options.report) if options.report else None
    estimator = _estimator(options)
    predict = _network(options, estimator) if estimator else _baseline(options, samples)
    if report:
        predict(next(iter(samples)))  # the latencies that it shows are without what is loaded in the first run
    frames = evaluate_samples(samples, predict, options.min_confidence, report.add if report else None)
    progress = Console(stderr=True)
    judged = JudgedFrames(track(frames, "evaluating", total=len(samples), console=progress, transient=True))
    judged.check_truth(str(options.dataset))
    made_with = provenance(estimator.info if estimator else None)
    figures = summary(options.method, options.frames, judged, options.min_confidence) | {"provenance": made_with}
    console = Console(markup=False, highlight=False)  # names may hold brackets
    console.print(figures_table(figures))
    write_json(options.json, figures)
    if report:
        head = ReportHead(f"Evaluation of {options.dataset.resolve().name}")
        console.print(f"report: {report.finish(head, figures)}")
    return EXIT_OK


def _estimator(options: Options) -> Estimator | None:
    if options.method != "network":
        return None
    return load_estimator(options.model, options.backend, options.estimator)


def _network(options: Options, estimator: Estimator) -> Predict:
    return fused_method(estimator) if options.frames == FUSED else network_method(estimator)


def _baseline(options: Options, samples: StackSamples) -> Predict:
    if options.frames == FUSED and options.method == "zhuo_sim":
        raise ConfigError("--frames fused: expected a method that looks at several frames, got zhuo_sim")
    if options.method == "constant":
        return constant_method(samples.truths_m())
    return depth_from_focus_method() if options.method == "dff_sml" else zhuo_sim_method()


def figures_table(figures: Mapping[str, Any]) -> Table:
    """What the terminal shows of a summary: a row per stack, then the means."""
    table = Table(title=f"{figures['method']}, {figures['n']} frames ({figures['frames']})")
    table.add_column("")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    means, stacks = table_rows(figures)[: -len(figures["per_stack"]) or None], figures["per_stack"]
    for name, row in [*((stack["name"], stack) for stack in stacks), *means]:
        table.add_row(name, *(cell(row.get(figure)) for figure in SUMMARY_FIGURES))
    return table
