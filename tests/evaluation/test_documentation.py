from __future__ import annotations

import re
from pathlib import Path

from defocus_depth.evaluation.dataset import StackSamples
from defocus_depth.evaluation.gallery import EXTREMES, SPREAD
from defocus_depth.evaluation.methods import network_method
from defocus_depth.evaluation.metrics import FIGURE_NAMES
from defocus_depth.evaluation.pixel_table import TEXTURE_NAMES
from defocus_depth.evaluation.results import JudgedFrames
from defocus_depth.evaluation.run import evaluate_samples
from defocus_depth.evaluation.summary import summary

PAGE = Path(__file__).resolve().parents[2] / "docs" / "evaluation.md"


def test_every_key_and_figure_is_explained(tmp_path: Path, write_plane, fake_estimator) -> None:
    write_plane(tmp_path / "a", 1.0)
    results = evaluate_samples(StackSamples(tmp_path), network_method(fake_estimator(1.1)), 0.5)
    figures = summary("network", "first", JudgedFrames(results), 0.5) | {"provenance": {}}
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w-]+)`", text))
    assert {*figures, *FIGURE_NAMES} - {"method", "frames", "n"} <= named
    for part in ("calibration", "sparsification"):
        assert {key for key in figures[part] if "_" in key} - {
            "left_out",
            "abs_rel",
            "oracle_abs_rel",
            "mean_confidence",
        } <= named
    assert set(TEXTURE_NAMES) - {"weak"} <= named
    assert f"at most {SPREAD + 2 * EXTREMES} frames (all, up to {SPREAD})" in " ".join(text.split())
