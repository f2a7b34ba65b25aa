"""Charts of a report as SVG inside the page; their colours are the page's variables, so they follow its theme."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# Stand-ins while drawing; `_svg` writes the style sheet's variables in their place.
INK, MUTED, LINE, BAND, FIRST, SECOND, THIRD, FOURTH = (f"#{value:06x}" for value in range(0x10203, 0x1020B))
_VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", BAND: "band"}
_VARIABLES |= {FIRST: "series-1", SECOND: "series-2", THIRD: "series-3", FOURTH: "series-4"}
WIDTH_IN = 10.6
TIMELINE_POINTS = 500
_SPARSIFICATION = {
    "abs_rel": (FIRST, "-", "by confidence in each frame"),
    "pooled_curve_abs_rel": (THIRD, "-.", "by confidence in all frames together"),
    "oracle_abs_rel": (SECOND, "-", "by true error in each frame"),
}
_SERIES = [(FIRST, "o", "-"), (SECOND, "s", "--"), (THIRD, "D", "-."), (FOURTH, "^", ":")]


@dataclass(frozen=True)
class Moments:
    """A run's course, one entry per frame: time (s, NaN where unknown), AbsRel and latency (ms), NaN where unknown."""

    time_s: Sequence[float]
    abs_rel: Sequence[float]
    latency_ms: Sequence[float]


def distance_chart(bins: Sequence[Mapping[str, Any]]) -> str:
    """AbsRel, RMSE, δ1 and the share of pixels per bin of true distance; `bins` as in the summary."""
    figure = _figure(2.5)
    total = sum(row["pixels"] for row in bins) or 1
    panels = {
        "AbsRel": [row["abs_rel"] for row in bins],
        "RMSE, m": [row["rmse_m"] for row in bins],
        "δ1": [row["delta1"] for row in bins],
        "share of pixels": [row["pixels"] / total for row in bins],
    }
    names = [_bin_label(row["name"]) for row in bins]
    for place, (title, values) in enumerate(panels.items()):
        axes = _axes(figure, (1, len(panels), place + 1), title)
        heights = _heights(values)
        axes.bar(range(len(names)), heights, color=MUTED if place == 3 else FIRST, width=0.72)
        axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_xlabel("true distance, m")
        if title in ("δ1", "share of pixels"):
            axes.set_ylim(0, 1)
    return _svg(figure, "Errors per bin of true distance")


def comparison_chart(evaluations: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """AbsRel and δ1 per bin of true distance, a line for each evaluation by its label."""
    figure = _figure(3.0)
    names = list(dict.fromkeys(row["name"] for bins in evaluations.values() for row in bins))
    for place, (title, key) in enumerate((("AbsRel", "abs_rel"), ("δ1", "delta1"))):
        axes = _axes(figure, (1, 2, place + 1), title)
        for number, (label, bins) in enumerate(evaluations.items()):
            values = {row["name"]: row.get(key) for row in bins}
            heights = _heights(values.get(name) for name in names)
            colour, marker, line = _SERIES[number % len(_SERIES)]
            style = {"color": colour, "marker": marker, "linestyle": line, "markersize": 5, "linewidth": 1.4}
            axes.plot(range(len(names)), heights, label=label, **style)
        axes.set_xticks(range(len(names)), [_bin_label(name) for name in names])
        axes.set_xlabel("true distance, m")
        axes.set_ylim(bottom=0)
    figure.axes[0].legend(frameon=False, labelcolor=INK, fontsize=8.5)
    return _svg(figure, "Errors of each evaluation per bin of true distance")


def _heights(values: Iterable[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _bin_label(name: str) -> str:
    return name.replace("-inf", "+").replace("-", "–")


def ratio_chart(histogram: Mapping[str, Any]) -> str:
    """Histogram of predicted over true depth, logarithmic; the band is δ1."""
    figure = _figure(2.3)
    axes = _axes(figure, (1, 1, 1), "predicted ÷ true depth, share of pixels")
    edges, fractions = np.array(histogram["log2_ratio_edges"]), np.array(histogram["fraction"])
    axes.axvspan(-math.log2(1.25), math.log2(1.25), color=BAND, linewidth=0)
    axes.axvline(0, color=MUTED, linewidth=1)
    width = edges[1] - edges[0]
    places = np.concatenate([[edges[0] - width], edges]) + width / 2
    colours = [MUTED, *[FIRST] * (len(fractions) - 2), MUTED]
    axes.bar(places, fractions, width=0.9 * width, color=colours)
    axes.set_xticks([places[0], -1, 0, 1, places[-1]], ["below ¼", "½", "1", "2", "above 4"])
    axes.set_xlim(edges[0] - 1.5 * width, edges[-1] + 1.5 * width)
    return _svg(figure, "Histogram of predicted over true depth")


def confidence_chart(calibration: Mapping[str, Any], sparsification: Mapping[str, Any]) -> str:
    """Reliability (confidence against measured δ1) beside the sparsification curves."""
    figure = _figure(2.9)
    axes = _axes(figure, (1, 2, 1), "measured δ1 at each confidence")
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
    rows = calibration["reliability"]
    pixels = np.array([row["pixels"] for row in rows], float)
    places = [row["confidence"] for row in rows], [row["delta1"] for row in rows]
    axes.plot(*places, color=FIRST, linewidth=1.5)
    axes.scatter(*places, s=8 + 80 * pixels / max(pixels.sum(), 1), color=FIRST, zorder=3)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence (size of dots: pixels)")
    axes = _axes(figure, (1, 2, 2), "AbsRel without the least confident pixels")
    for key, (colour, style, name) in _SPARSIFICATION.items():
        look = {"color": colour, "linestyle": style, "linewidth": 1.5}
        axes.plot(sparsification["left_out"], _heights(sparsification[key]), label=name, **look)
    axes.set(xlim=(0, 1), xlabel="fraction left out")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, labelcolor=INK)
    return _svg(figure, "Calibration and sparsification")


def timeline_chart(moments: Moments) -> str:
    """AbsRel, and the latency where it is known, over the run; long runs as medians with the range around them."""
    latency = np.array(moments.latency_ms, float)
    panels = {"AbsRel": (np.array(moments.abs_rel, float), FIRST)}
    if np.isfinite(latency).any():
        panels["latency, ms"] = (latency, SECOND)
    time_s = np.array(moments.time_s, float)
    timed = bool(np.isfinite(time_s).all()) and len(time_s) > 1
    along = time_s - time_s[0] if timed else np.arange(1.0, len(time_s) + 1)
    figure = _figure(0.6 + 1.6 * len(panels))
    for place, (title, (values, colour)) in enumerate(panels.items()):
        axes = _axes(figure, (len(panels), 1, place + 1), title)
        _course(axes, along, values, colour)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=not timed))
        if place == len(panels) - 1:
            axes.set_xlabel("time, s" if timed else "frame")
    return _svg(figure, "Errors and latency along the run")


def _course(axes: Axes, along: np.ndarray, values: np.ndarray, colour: str) -> None:
    if len(values) <= TIMELINE_POINTS:
        axes.plot(along, values, color=colour, linewidth=1.2, marker="o", markersize=2.5)
        return
    groups = np.array_split(np.arange(len(values)), TIMELINE_POINTS)
    known = [(along[group[0]], values[group][np.isfinite(values[group])]) for group in groups]
    drawn = [(x, np.median(y), y.min(), y.max()) for x, y in known if y.size]
    if not drawn:
        return
    x, middle, low, high = np.array(drawn).T
    axes.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)
    axes.plot(x, middle, color=colour, linewidth=1.2)


def _figure(height_in: float) -> Figure:
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def _axes(figure: Figure, place: tuple[int, int, int], title: str) -> Axes:
    axes = figure.add_subplot(*place, facecolor="none")
    axes.set_title(title, loc="left", fontsize=9.5, color=INK)
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelsize=8.5, length=0)
    axes.xaxis.label.set(color=MUTED, fontsize=8.5)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(LINE)
    return axes


def _svg(figure: Figure, description: str) -> str:
    """The figure as an `<svg>` element with real text, as wide as its place on the page."""
    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": description}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    text = file.getvalue()
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    element = text[text.index("<svg") :]
    head, body = element.split(">", 1)
    view = head[head.index("viewBox") :].split('"')[1]
    return (
        f'<svg viewBox="{view}" role="img" aria-label="{description}" xmlns:xlink="http://www.w3.org/1999/xlink">{body}'
    )
