from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.outputs import OutputNames, estimate_figures, thousandths, write_estimate
from defocus_depth.types import DepthEstimate

SIZE = (12, 16)
IMAGE = np.full((*SIZE, 3), 90, np.uint8)


@pytest.fixture
def estimate() -> DepthEstimate:
    depth_m = np.linspace(0.4, 3.0, 192, dtype=np.float32).reshape(SIZE)
    depth_m[0, :2] = np.nan, 70.0
    coc_px = (8 * (2.5 - 1 / depth_m)).astype(np.float32)
    confidence = np.full(SIZE, 0.75, np.float32)
    return DepthEstimate(depth_m, coc_px, np.abs(coc_px), confidence, confidence, 8.0, 2.5)


def test_files_hold_the_maps(tmp_path: Path, estimate: DepthEstimate) -> None:
    files = write_estimate(tmp_path, "clip/000001", IMAGE, estimate)
    assert files == {
        "depth": "clip/000001_depth.tiff",
        "depth_png": "clip/000001_depth_mm.png",
        "coc": "clip/000001_coc.tiff",
        "confidence": "clip/000001_confidence.tiff",
        "panel": "clip/000001_panel.png",
    }
    assert sorted(path.name for path in (tmp_path / "clip").iterdir()) == sorted(Path(f).name for f in files.values())
    for name, values in (("depth", estimate.depth_m), ("coc", estimate.coc_px), ("confidence", estimate.confidence)):
        stored = tifffile.imread(tmp_path / files[name])
        assert stored.dtype == np.float32
        np.testing.assert_array_equal(stored, values)
        by_opencv = cv2.imread(str(tmp_path / files[name]), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(by_opencv, values)
    png = cv2.imread(str(tmp_path / files["depth_png"]), cv2.IMREAD_UNCHANGED)
    assert png is not None and png.dtype == np.uint16 and png[0, 0] == png[0, 1] == 0
    np.testing.assert_allclose(png[1:] / 1000, estimate.depth_m[1:], atol=0.00051)


def test_relative_results_are_called_so_everywhere(tmp_path: Path, estimate: DepthEstimate) -> None:
    relative = dataclasses.replace(estimate, metric=False)
    files = write_estimate(tmp_path, "a", IMAGE, relative)
    assert files["relative_depth"] == "a_relative_depth.tiff" and files["relative_depth_png"] == "a_relative_depth.png"
    assert not any("mm" in file or file == "a_depth.tiff" for file in files.values())
    with tifffile.TiffFile(tmp_path / files["relative_depth"]) as file:
        assert "relative" in str(file.pages[0].tags["ImageDescription"].value)  # pyright: ignore[reportAttributeAccessIssue]
    figures = estimate_figures(relative)
    assert "relative_depth" in figures and not any(key.endswith("_m") for key in figures)


def test_figures(estimate: DepthEstimate) -> None:
    figures = estimate_figures(estimate)
    assert figures["metric"] and figures["mean_confidence"] == pytest.approx(0.75)
    assert figures["valid_fraction"] == pytest.approx(191 / 192)
    known = estimate.depth_m[np.isfinite(estimate.depth_m)]
    assert figures["depth_m"] == pytest.approx({f"p{p:02}": np.percentile(known, p) for p in (5, 50, 95)})


def test_figures_of_nothing(estimate: DepthEstimate) -> None:
    unknown = np.full(SIZE, np.nan, np.float32)
    figures = estimate_figures(dataclasses.replace(estimate, depth_m=unknown, coc_px=unknown))
    assert (figures["depth_m"], figures["coc_px"], figures["valid_fraction"]) == (None, None, 0.0)


def test_thousandths_are_zero_where_16_bits_cannot_say_it() -> None:
    depth_m = np.array([[np.nan, np.inf, -1.0, 0.0, 0.0004, 1.2346, 65.535, 65.54]], np.float32)
    assert thousandths(depth_m).tolist() == [[0, 0, 0, 0, 0, 1235, 65535, 0]]


def test_names_are_given_once() -> None:
    names = OutputNames()
    assert [names.take(name) for name in ("a", "b", "a", "a_2", "a")] == ["a", "b", "a_2", "a_2_2", "a_3"]


def test_unwritable_folder(tmp_path: Path, estimate: DepthEstimate) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="a_depth.tiff: expected a writable file, got"):
        write_estimate(tmp_path / "file", "a", IMAGE, estimate)
