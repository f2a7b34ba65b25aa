"""Scores every method on a data set, for docs/results.md.

    python benchmarks/measure_results.py "path-traced robot" STACKS --json docs/results/path_traced_robot.json \
        --twin runs/truth/model.onnx

The same frames go to every method: one image for the networks and Zhuo-Sim, the whole stack for depth from focus.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track
from scoring import FIGURES, MIN_CONFIDENCE

from defocus_depth.commands.dispatch import write_json
from defocus_depth.evaluation.dataset import Sample, StackSamples
from defocus_depth.evaluation.methods import (
    Predict,
    Prediction,
    constant_method,
    depth_from_focus_method,
    fused_method,
    network_method,
    zhuo_sim_method,
)
from defocus_depth.evaluation.results import JudgedFrames
from defocus_depth.evaluation.run import evaluate_samples
from defocus_depth.evaluation.summary import summary
from defocus_depth.image_files import read_image
from defocus_depth.inference import AUTO, EstimatorConfig, load_artifact, load_estimator
from defocus_depth.types import FloatArray
from defocus_training.fitting.figures import textured

HEADLINE = (*FIGURES, "valid_fraction")


@dataclass(frozen=True)
class Options:
    """Score the network, its supervised twin and the classical baselines."""

    name: tyro.conf.Positional[str]
    """What the data set is called in the report."""
    stacks: tyro.conf.Positional[Path]
    """Folder of focal stacks with ground truth."""
    json: Path
    """File to write."""
    model: Path | None = None
    """Model to score; the released one if not given."""
    twin: Path | None = None
    """The supervised twin's model (ONNX)."""
    twin_note: str = ""
    """How the twin was trained, for the report."""
    frame: str = "first"
    """Frame of each stack that single-image methods see."""
    per_group: bool = False
    """Figures per source as well: a stack's name without the number at its end."""


def main(options: Options) -> None:
    """Score, and write what the report needs."""
    samples = StackSamples(options.stacks, options.frame)
    with ExitStack() as stack:
        methods = _methods(options, samples, stack)
        scored = {name: _scored(options, samples, predict) for name, predict in track(methods.items(), options.name)}
    figures = {
        "name": options.name,
        "frames": len(samples),
        "model_sha256": load_artifact(options.model).sidecar.sha256,
        "twin_note": options.twin_note,
        "methods": scored,
    }
    write_json(options.json, figures)
    console = Console()
    for name, row in scored.items():
        console.print(name, {key: None if row[key] is None else round(row[key], 4) for key in HEADLINE})


def _methods(options: Options, samples: StackSamples, stack: ExitStack) -> dict[str, Predict]:
    """By name; what the networks hold is freed when `stack` ends."""
    estimator = stack.enter_context(load_estimator(options.model, AUTO, EstimatorConfig()))
    methods = {"network": network_method(estimator), "fused": fused_method(estimator)}
    if options.twin is not None:
        twin = stack.enter_context(load_estimator(options.twin, AUTO, EstimatorConfig()))
        methods["twin"] = network_method(twin)
    methods["constant"] = constant_method(samples.truths_m())
    methods["zhuo_sim"] = zhuo_sim_method()
    methods["dff_sml"] = depth_from_focus_method()
    return methods


def _scored(options: Options, samples: StackSamples, predict: Predict) -> dict[str, Any]:
    on_textured: list[dict[str, float]] = []

    def remember(sample: Sample, prediction: Prediction, _: object) -> None:
        on_textured.append(_on_textured(sample, prediction))

    judged = JudgedFrames(evaluate_samples(samples, predict, MIN_CONFIDENCE, remember))
    figures = summary("network", options.frame, judged, MIN_CONFIDENCE)
    kept = {key: figures[key] for key in (*HEADLINE, "median_scaled", "distance_bins", "texture", "edges")}
    kept |= {key: figures[key] for key in ("calibration", "sparsification")}
    keys = dict.fromkeys(key for row in on_textured for key in row)
    kept["textured"] = {key: _mean([row[key] for row in on_textured if key in row]) for key in keys}
    if options.per_group:
        kept["sources"] = _by_source(figures["per_stack"])
    return kept


def _on_textured(sample: Sample, prediction: Prediction) -> dict[str, float]:
    """Over textured pixels, and over the half of them that the method is surer of; where there are none, none."""
    chosen = _textured(sample) & np.isfinite(sample.truth_depth_m) & np.isfinite(prediction.maps.depth_m)
    errors = np.abs(prediction.maps.depth_m / sample.truth_depth_m - 1)
    figures = {"fraction": float(chosen.mean())}
    if chosen.any():
        figures["abs_rel"] = _mean(errors[chosen])
        if prediction.confidence is not None:
            sure = chosen & (prediction.confidence >= np.median(prediction.confidence[chosen]))
            figures["confident_half_abs_rel"] = _mean(errors[sure])
    return figures


def _textured(sample: Sample) -> np.ndarray:
    """From `sharp.png` beside the stack where there is one, else from the picture itself."""
    path = None if sample.origin is None else sample.origin.stack.path / "sharp.png"
    return textured(read_image(path) if path is not None and path.exists() else sample.image)


def _by_source(stacks: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    sources: dict[str, list[dict[str, Any]]] = {}
    for stack in stacks:
        sources.setdefault(_source(stack["name"]), []).append(stack)
    return {
        source: {"n": len(rows), **{key: _mean([row[key] for row in rows]) for key in HEADLINE}}
        for source, rows in sources.items()
    }


def _source(name: str) -> str:
    return name.rstrip("0123456789").rstrip("-_") or name


def _mean(values: FloatArray | list[float]) -> float:
    array = np.asarray(values, np.float64)
    return float(array.mean()) if array.size else float("nan")


if __name__ == "__main__":
    main(tyro.cli(Options))
