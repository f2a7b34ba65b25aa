from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.dataset import StackSamples
from defocus_depth.evaluation.gallery import EXTREMES, SPREAD
from defocus_depth.evaluation.methods import constant_method, network_method
from defocus_depth.evaluation.report import Report, ReportHead, ReportTable, comparison_panels
from defocus_depth.evaluation.results import JudgedFrames
from defocus_depth.evaluation.run import evaluate_samples
from defocus_depth.evaluation.summary import summary


def written(folder: Path, data: Path, method, head: ReportHead | str = "A title", times: int = 1) -> tuple[Path, dict]:
    """The page of an evaluation of `data`, and what the summary gave; frames are taken in `times` times."""
    report = Report(folder)
    results = list(evaluate_samples(StackSamples(data, "all"), method, 0.5, report.add))
    for number in range(times - 1):
        results += evaluate_samples(
            (replace(sample, name=f"{sample.name} {number}") for sample in StackSamples(data, "all")), method, 0.5,
            report.add,
        )  # fmt: skip
    figures = summary("network", "all", JudgedFrames(results), 0.5)
    return report.finish(head, figures), figures


class Links(HTMLParser):
    """Every address in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {"src", "href", "action", "data", "srcset", "poster"}
        self.addresses += [value for name, value in attrs if name in names and value]


def test_the_page_holds_everything_itself(tmp_path: Path, write_plane, fake_estimator) -> None:
    write_plane(tmp_path / "data" / "my scene", 1.0)
    page, _ = written(tmp_path / "report", tmp_path / "data", network_method(fake_estimator(1.1)))
    text = page.read_text(encoding="utf-8")
    addresses = Links(text).addresses
    assert sum(address.startswith("data:image/webp;base64,") for address in addresses) >= 4 * 6
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert not re.search(r"url\((?!#)|@import", text)
    assert "default-src 'none'" in text and "my scene/000" in text and "blur gain 8 px/dpt" in text
    for heading in ("By distance", "Errors", "Texture and edges", "Timeline", "Confidence", "Worst and best frames"):
        assert f"<h2>{heading}</h2>" in text
    assert json.loads(re.findall(r'id="legends">(.*?)</script>', text, re.S)[0]).keys() >= {"depth", "coc", "error"}


def test_markdown_with_the_table_and_a_panel_per_frame(tmp_path: Path, write_plane, fake_estimator) -> None:
    write_plane(tmp_path / "data" / "my scene", 1.0, foci_m=(0.4,))
    written(tmp_path / "report", tmp_path / "data", network_method(fake_estimator(1.1)))
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "# A title" in text and "1 frames (all), method network." in text
    assert "| my scene | 0.100 | 0.100 | 1.000 |" in text and "| confidence ≥ 0.5 |" in text
    assert "![my scene_000.png](my%20scene_000.png)" in text
    panel = cv2.imread(str(tmp_path / "report" / "my scene_000.png"))
    assert panel is not None and panel.shape == (2 * (64 + 22), 3 * 96, 3)


def test_confident_half_of_each_frame_and_of_all_together(tmp_path: Path, write_plane, fake_estimator) -> None:
    for name, depth_m in (("a", 1.0), ("b", 2.0)):
        write_plane(tmp_path / "data" / name, depth_m, foci_m=(0.4,))
    page, figures = written(tmp_path / "report", tmp_path / "data", network_method(fake_estimator(1.1)))
    told = {"confident_half_abs_rel": 0.25, "pooled_abs_rel": 0.5, "pooled_confident_half_abs_rel": 0.125}
    told |= {"pooled_confident_half_ratio": 0.25}
    figures |= {"sparsification": figures["sparsification"] | told}
    text = Report(page.parent).finish("t", figures).read_text(encoding="utf-8")
    assert "more confident half of each frame's pixels 0.250." in text
    assert "Of all frames' pixels together, as one threshold takes them: 0.125, 25.0 % of the 0.500 of all." in text
    markdown = (page.parent / "report.md").read_text(encoding="utf-8")
    assert "half of each frame's pixels 0.250, of all frames' pixels together 0.125 (of all 0.500)." in markdown


def test_facts_notes_and_tables_are_shown_and_escaped(tmp_path: Path, write_plane, fake_estimator) -> None:
    write_plane(tmp_path / "data" / "a", 1.0)
    table = ReportTable("Conditions", ("condition", "verdict"), [("AbsRel < 0.3", "passed")])
    head = ReportHead("A & B", {"bag": "<x>"}, ["Blur was rendered in."], [table])
    page, figures = written(tmp_path / "report", tmp_path / "data", network_method(fake_estimator(1.1)), head)
    text = page.read_text(encoding="utf-8")
    assert "A &amp; B" in text and "&lt;x&gt;" in text and "<x>" not in text
    assert "Blur was rendered in." in text and "AbsRel &lt; 0.3" in text and "<h2>Conditions</h2>" in text
    made_with = {"model": "m.onnx", "model_sha256": "f00d", "backend": "openvino", "version": "1", "commit": None}
    again = Report(tmp_path / "again").finish("t", figures | {"provenance": made_with}).read_text(encoding="utf-8")
    assert "m.onnx, sha256 f00d" in again and "openvino" in again


def test_nothing_grows_with_the_number_of_frames(tmp_path: Path, write_plane, fake_estimator) -> None:
    write_plane(tmp_path / "data" / "a", 1.0)
    method = network_method(fake_estimator(1.1))
    page, _ = written(tmp_path / "many", tmp_path / "data", method, times=30)
    panels = list((tmp_path / "many").glob("*.png"))
    assert SPREAD // 2 <= len(panels) <= SPREAD + 2 * EXTREMES
    assert page.stat().st_size < 2_000_000


def test_without_confidence_or_truth(tmp_path: Path, write_plane) -> None:
    write_plane(tmp_path / "data" / "a", 1.0)
    samples = [
        replace(sample, truth_depth_m=np.full((64, 96), np.nan, np.float32))
        for sample in StackSamples(tmp_path / "data")
    ]
    report = Report(tmp_path / "report")
    judged = JudgedFrames(evaluate_samples(samples, constant_method([np.ones((1, 1), np.float32)]), 0.5, report.add))
    text = report.finish("t", summary("constant", "first", judged)).read_text(encoding="utf-8")
    assert "<h2>By distance</h2>" not in text and "<h2>Confidence</h2>" not in text
    assert "<h2>Along the data</h2>" in text and "AbsRel –" in text
    assert "confident half" not in (tmp_path / "report" / "report.md").read_text(encoding="utf-8")


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
    with pytest.raises(ConfigError, match="file/report.html: expected a place to write to, got"):
        Report(tmp_path / "file").finish("t", summary("constant", "first", JudgedFrames()))
