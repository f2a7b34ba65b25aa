"""The table of lenses in docs/camera-guide.md: blur gain and the depth error to expect at 0.3 to 5 m.

    python benchmarks/lens_table.py docs/camera-guide.md

Replaces what stands between `<!-- begin:lenses -->` and `<!-- end:lenses -->`.
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from defocus_depth.commands.checks.lens import USUAL_COC_ERROR, LensUse, blur_span_px, expected_accuracy
from defocus_depth.optics import blur_gain_px_per_dpt, focus_dpt
from defocus_depth.optics.lens_file import LensFile
from defocus_depth.types import LensParameters

WIDTH_PX = 640
DISTANCES_M = (0.3, 0.5, 1.0, 2.0, 3.0, 5.0)
_BLOCK = re.compile(r"(<!-- begin:lenses -->\n).*?(<!-- end:lenses -->)", re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A lens on a sensor, and a sensible near focus (m)."""

    name: str
    focal_length_m: float
    f_number: float
    sensor_width_m: float
    near_focus_m: float

    def lens_file(self) -> LensFile:
        """The lens for pictures `WIDTH_PX` wide."""
        pitch_m = self.sensor_width_m / WIDTH_PX
        return LensFile(LensParameters(self.focal_length_m, self.f_number, pitch_m, image_width_px=WIDTH_PX))

    @property
    def view_deg(self) -> float:
        """Horizontal field of view."""
        return math.degrees(2 * math.atan(0.5 * self.sensor_width_m / self.focal_length_m))


EXAMPLES = (
    Example("fixed-focus webcam, 2.8 mm f/2.8, 3.6 mm sensor", 2.8e-3, 2.8, 3.6e-3, 0.5),
    Example("UVC webcam with autofocus, 3.7 mm f/2, 4.8 mm sensor", 3.7e-3, 2.0, 4.8e-3, 0.15),
    Example("Raspberry Pi Camera Module 3, 4.74 mm f/1.8, 6.45 mm sensor", 4.74e-3, 1.8, 6.45e-3, 0.15),
    Example("C-mount 6 mm f/1.2 on a Pi HQ camera, 6.29 mm sensor", 6e-3, 1.2, 6.29e-3, 0.25),
    Example("C-mount 8 mm f/1.4, 7.1 mm sensor (1/1.8 inch)", 8e-3, 1.4, 7.1e-3, 0.25),
    Example("the reference lens `robot`, 8 mm f/1.4, 1.92 mm of sensor", 8e-3, 1.4, 1.92e-3, 0.35),
    Example("C-mount 16 mm f/1.4, 7.1 mm sensor", 16e-3, 1.4, 7.1e-3, 0.35),
    Example("C-mount 25 mm f/1.4, 7.1 mm sensor", 25e-3, 1.4, 7.1e-3, 0.6),
    Example("50 mm f/1.8, APS-C 23.5 mm sensor", 50e-3, 1.8, 23.5e-3, 1.0),
)


def table() -> str:
    """The markdown table."""
    head = [
        "lens",
        "view",
        "near focus",
        "G (px/dpt)",
        "blur span (px)",
        *(f"{distance:g} m" for distance in DISTANCES_M),
    ]
    lines = [head, ["---"] * len(head), *map(_row, EXAMPLES)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _row(example: Example) -> list[str]:
    lens_file = example.lens_file()
    focus = focus_dpt(example.near_focus_m, lens_file.lens)
    gain = blur_gain_px_per_dpt(lens_file.lens, focus, WIDTH_PX)
    use = LensUse(example.near_focus_m, WIDTH_PX, 1.05 * example.near_focus_m, 10 * example.near_focus_m)
    wide = LensUse(example.near_focus_m, WIDTH_PX, use.depth_min_m, max(use.depth_max_m, DISTANCES_M[-1]))
    rows = {row.distance_m: row for row in expected_accuracy(lens_file, wide, 20 * USUAL_COC_ERROR)}
    cells = []
    for distance in DISTANCES_M:
        row = rows.get(distance)
        cells.append(
            "nearer than the focus"
            if row is None
            else f"{_percent(row.limit_m, distance)} / {_percent(row.network_m, distance)}"
        )
    about = [example.name, f"{example.view_deg:.0f}°", f"{example.near_focus_m:g} m", f"{gain:.1f}"]
    return [*about, f"{blur_span_px(gain, use):.0f}", *cells]


def _percent(error_m: float, distance_m: float) -> str:
    share = 100 * error_m / distance_m
    if not math.isfinite(share) or share >= 100:
        return "–"
    return f"{share:.1f} %" if share < 10 else f"{share:.0f} %"


def refreshed(markdown: str) -> str:
    """The text with the table made anew."""
    return _BLOCK.sub(lambda match: match[1] + table() + match[2], markdown)


def main(arguments: list[str]) -> int:
    """Refresh the files named on the command line."""
    for name in arguments:
        path = Path(name)
        path.write_text(refreshed(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
