"""README's table is the one that its script makes of docs/results; no picture in the documentation is missing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import readme  # noqa: E402

PAGES = sorted([readme.README, *(readme.ROOT / "docs").glob("*.md")])


def test_readme_shows_the_figures_of_the_results() -> None:
    text = readme.README.read_text(encoding="utf-8")
    assert "<!-- figures from docs/results -->\n| AbsRel | one image | " in text
    assert readme.refreshed(text, readme.measured()) == text, "run benchmarks/readme.py"


def test_a_row_names_the_set_and_the_errors_of_all_methods() -> None:
    methods = {name: {"abs_rel": 0.1 * (place + 1)} for place, name in enumerate(readme.COLUMNS)}
    methods["network"]["delta1"] = 0.75
    rows = readme.table([{"name": "rooms", "frames": 7, "methods": methods}]).splitlines()
    assert rows[2:] == ["| rooms (7) | **0.100** | 0.200 | 0.300 | 0.400 | 0.500 | 0.750 |"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pictures_that_pages_show_exist(page: Path) -> None:
    for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / name).is_file(), name
