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

from ..evaluation.dataset import StackSamples
from ..evaluation.methods import (
    MethodName,
    Predict,
    constant_method,
    depth_from_focus_method,
    network_method,
    zhuo_sim_method,
)
from ..evaluation.report import HEADINGS, Report, cell
from ..evaluation.run import evaluate_samples
from ..evaluation.summary import SUMMARY_FIGURES, summary
from ..inference import AUTO, EstimatorConfig, load_estimator
from .dispatch import EXIT_OK, write_json


@dataclass(frozen=True)
class Options:
    """What to evaluate, and with which method."""

    dataset: Positional[Path]
    """Folder of focal stacks with ground truth (or one stack)."""
    frames: str = "first"
    """Frames of each stack: first (nearest focus), reference, all, or an index counted from 0."""
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
    """Write a panel per frame and a table into this folder."""


def run(options: Options) -> int:
    """Evaluate, print the table, write JSON and report."""
    samples = StackSamples(options.dataset, options.frames)
    report = Report(options.report) if options.report else None
    frames = evaluate_samples(
        samples, _method(options, samples), options.min_confidence, report.add if report else None
    )
    progress = Console(stderr=True)
    results = list(track(frames, "evaluating", total=len(samples), console=progress, transient=True))
    figures = summary(options.method, options.frames, results, options.min_confidence)
    write_json(options.json, figures)
    console = Console(markup=False, highlight=False)  # names may hold brackets
    console.print(figures_table(figures))
    if report:
        console.print(f"report: {report.finish(f'Evaluation of {options.dataset.resolve().name}', figures)}")
    return EXIT_OK


def _method(options: Options, samples: StackSamples) -> Predict:
    if options.method == "constant":
        return constant_method(samples.truths_m())
    if options.method == "dff_sml":
        return depth_from_focus_method()
    if options.method == "zhuo_sim":
        return zhuo_sim_method()
    return network_method(load_estimator(options.model, options.backend, options.estimator))


def figures_table(figures: Mapping[str, Any]) -> Table:
    table = Table(title=f"{figures['method']}, {figures['n']} frames ({figures['frames']})")
    table.add_column("")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    rows = [(stack["name"], stack) for stack in figures["per_stack"]]
    rows.append(("mean of frames", figures))
    if figures["masked"] is not None:
        rows.append((f"confidence ≥ {figures['masked']['min_confidence']}", figures["masked"]))
    for name, row in rows:
        table.add_row(name, *(cell(row[figure]) for figure in SUMMARY_FIGURES))
    return table
