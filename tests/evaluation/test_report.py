from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.dataset import StackSamples
from defocus_depth.evaluation.methods import network_method
from defocus_depth.evaluation.report import Report, comparison_panels
from defocus_depth.evaluation.run import evaluate_samples
from defocus_depth.evaluation.summary import summary


def test_page_with_a_table_and_a_panel_per_frame(tmp_path: Path, write_plane, fake_estimator) -> None:
    write_plane(tmp_path / "data" / "my scene", 1.0)
    samples = StackSamples(tmp_path / "data", "0")
    report = Report(tmp_path / "report")
    results = list(evaluate_samples(samples, network_method(fake_estimator(1.1)), 0.5, report.add))
    page = report.finish("A title", summary("network", "0", results, 0.5))
    text = page.read_text()
    assert "# A title" in text and "1 frames (0), method network." in text
    assert "| my scene | 0.100 | 0.100 | 1.000 |" in text and "| confidence ≥ 0.5 |" in text
    assert "![my scene_000.png](my%20scene_000.png)" in text
    assert (tmp_path / "report" / "my scene_000.png").stat().st_size > 1000


def test_panels_show_the_relative_error_where_it_is_known(tmp_path: Path, write_plane, fake_estimator) -> None:
    write_plane(tmp_path / "a", 2.0)
    (sample,) = StackSamples(tmp_path)
    panels = {
        title: array for title, array, _ in comparison_panels(sample, network_method(fake_estimator(1.0))(sample))
    }
    assert list(panels) == ["image", "depth", "circle of confusion", "confidence", "true depth", "relative error"]
    assert np.isnan(panels["relative error"][0]).all()
    np.testing.assert_allclose(panels["relative error"][1:], 0.5)


def test_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    figures = {"n": 0, "frames": "first", "method": "constant", "masked": None, "per_stack": []}
    figures |= dict.fromkeys(("abs_rel", "rmse_m", "delta1", "delta2", "coc_mae_px", "valid_fraction"))
    with pytest.raises(ConfigError, match="report.md: expected a writable folder, got"):
        Report(tmp_path / "file").finish("t", figures)
