"""README's figures and picture, made anew.

    python benchmarks/readme.py [--panel demo_output/panel.png]

Replaces what stands between `<!-- figures from docs/results -->` and `<!-- end of figures -->` in README.md by a table
of the JSON in docs/results (`measure_results.py`), and with `--panel` the picture by that of `make demo`, made small.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import tyro

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PICTURE = ROOT / "docs/images/demo_panel.webp"
PICTURE_QUALITY = 80
COLUMNS = {
    "network": "one image",
    "fused": "all frames fused",
    "dff_sml": "depth from focus, all frames",
    "zhuo_sim": "Zhuo-Sim, one image",
    "constant": "a constant",
}
_BLOCK = re.compile(r"(<!-- figures from docs/results -->\n).*?(<!-- end of figures -->)", re.DOTALL)


@dataclass(frozen=True)
class Options:
    """The panel of a demo to show; without one the picture stays."""

    panel: Path | None = None


def main(options: Options) -> None:
    """Refresh README.md and, where a panel is given, its picture."""
    README.write_text(refreshed(README.read_text(encoding="utf-8"), measured()), encoding="utf-8")
    if options.panel is not None:
        panel = cv2.imread(str(options.panel))
        if panel is None:
            raise SystemExit(f"{options.panel}: expected the panel of a demo, found no picture")
        cv2.imwrite(str(PICTURE), panel, [cv2.IMWRITE_WEBP_QUALITY, PICTURE_QUALITY])


def measured() -> list[Mapping[str, Any]]:
    """The figures of every set of docs/results, in their order."""
    paths = sorted((ROOT / "docs/results").glob("set_*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def refreshed(markdown: str, sets: list[Mapping[str, Any]]) -> str:
    """The text with the table of these figures between the marks."""
    return _BLOCK.sub(lambda match: match[1] + table(sets) + match[2], markdown)


def table(sets: list[Mapping[str, Any]]) -> str:
    """Markdown: a row per set with the AbsRel of every method of `COLUMNS`, and the network's δ1."""
    lines = [["AbsRel", *COLUMNS.values(), "δ1, one image"], ["---"] * (len(COLUMNS) + 2), *map(_row, sets)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _row(figures: Mapping[str, Any]) -> list[str]:
    methods = figures["methods"]
    errors = [f"{methods[name]['abs_rel']:.3f}" for name in COLUMNS]
    return [
        f"{figures['name']} ({figures['frames']})",
        f"**{errors[0]}**",
        *errors[1:],
        f"{methods['network']['delta1']:.3f}",
    ]


if __name__ == "__main__":
    main(tyro.cli(Options))
