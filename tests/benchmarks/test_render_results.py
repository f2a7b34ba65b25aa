"""What docs/results.md says of the confidence, from new files and from those of older versions."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import render_results  # noqa: E402

NETWORK = {
    "abs_rel": 0.2,
    "delta1": 0.7,
    "calibration": {"coverage_50": 0.52, "coverage_90": 0.91, "mean_confidence": 0.66},
    "sparsification": {"confident_half_abs_rel": 0.12},
}
HALF = "the more confident half of each frame's pixels has AbsRel 0.120"


def test_of_each_frame_and_of_all_together() -> None:
    pooled = {**NETWORK["sparsification"], "pooled_confident_half_abs_rel": 0.09}
    words = render_results.confidence_words({**NETWORK, "sparsification": pooled})
    assert words.startswith("Confidence: 50 % intervals cover 52.0%, 90 % intervals 91.0%; mean confidence 0.660 ")
    assert words.endswith(f"{HALF}, of all frames' pixels together 0.090; all have 0.200.")


def test_files_without_the_pooled_figure() -> None:
    assert render_results.confidence_words(NETWORK).endswith(f"{HALF}; all have 0.200.")
