"""Weights of a training run scored as users run them: exported, and evaluated on stacks with exact depth."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from defocus_depth.evaluation.dataset import StackSamples
from defocus_depth.evaluation.methods import network_method
from defocus_depth.evaluation.results import JudgedFrames
from defocus_depth.evaluation.run import evaluate_samples
from defocus_depth.evaluation.summary import summary
from defocus_depth.inference import AUTO, EstimatorConfig, load_estimator
from defocus_training.export import ModelCard, export_model
from defocus_training.train.checkpoints import load_weights

FIGURES = ("abs_rel", "rmse_m", "delta1", "coc_mae_px")
MIN_CONFIDENCE = 0.5


def score_weights(weights: Path, card: ModelCard, stacks: Path) -> dict[str, float]:
    """AbsRel, RMSE (m), δ1 and CoC error (px) over the stacks' frames of nearest focus, one image each."""
    with TemporaryDirectory() as folder:
        onnx = Path(folder) / "model.onnx"
        export_model(load_weights(weights), onnx, card)
        with load_estimator(onnx, AUTO, EstimatorConfig()) as estimator:
            judged = JudgedFrames(evaluate_samples(StackSamples(stacks), network_method(estimator), MIN_CONFIDENCE))
    figures = summary("network", "first", judged, MIN_CONFIDENCE)
    return {name: figures[name] for name in FIGURES}
