"""The table of lenses in the camera guide is that of the code, and says what it should."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import lens_table  # noqa: E402

GUIDE = ROOT / "docs" / "camera-guide.md"


def test_the_guide_holds_the_present_table() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert lens_table.table() in text and lens_table.refreshed(text) == text


def test_gains_are_those_of_the_lens_formula() -> None:
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in lens_table.table().splitlines()[2:]}
    for example in lens_table.EXAMPLES:
        focal, number, pitch = example.focal_length_m, example.f_number, example.sensor_width_m / 640
        gain = focal**2 * example.near_focus_m / (number * pitch * (example.near_focus_m - focal))
        assert rows[example.name][3] == f"{gain:.1f}"


def test_a_file_is_refreshed_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- begin:lenses -->\nold\n<!-- end:lenses -->\nafter\n")
    assert lens_table.main([str(page)]) == 0
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text and "C-mount" in text
