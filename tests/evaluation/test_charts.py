from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from defocus_depth.evaluation.charts import (
    TIMELINE_POINTS,
    Moments,
    confidence_chart,
    distance_chart,
    ratio_chart,
    timeline_chart,
)

BINS = [
    {"name": "0-0.5", "pixels": 30, "abs_rel": 0.1, "rmse_m": 0.2, "delta1": 0.9},
    {"name": "10-inf", "pixels": 0, "abs_rel": None, "rmse_m": None, "delta1": None},
]
CHARTS = {
    "distance": lambda: distance_chart(BINS),
    "ratio": lambda: ratio_chart({"log2_ratio_edges": np.linspace(-2, 2, 33).tolist(), "fraction": [1 / 34] * 34}),
    "confidence": lambda: confidence_chart(
        {"reliability": [{"confidence": 0.4, "delta1": 0.5, "pixels": 3}]},
        {
            "left_out": [0.0, 0.5],
            "abs_rel": [0.3, None],
            "pooled_curve_abs_rel": [0.3, 0.2],
            "oracle_abs_rel": [0.3, 0.1],
        },
    ),
    "timeline": lambda: timeline_chart(Moments([math.nan] * 3, [0.1, math.nan, 0.3], [math.nan] * 3)),
}


@pytest.mark.parametrize("name", CHARTS)
def test_are_svg_in_the_colours_of_the_page_and_the_same_every_time(name: str) -> None:
    svg = CHARTS[name]()
    assert ElementTree.fromstring(svg.replace("xlink:href", "href")).get("aria-label")
    colours = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", svg))
    assert "var(--ink)" in svg and colours <= {"#000000"}, colours
    assert CHARTS[name]() == svg


def test_sparsification_by_frame_together_and_by_error() -> None:
    svg = CHARTS["confidence"]()
    for name in ("confidence in each frame", "confidence in all frames together", "true error in each frame"):
        assert f">by {name}<" in svg


def test_bins_by_name() -> None:
    assert "0–0.5" in distance_chart(BINS) and "10+" in distance_chart(BINS)


def test_time_and_latency_are_shown_where_they_are_known() -> None:
    unknown = timeline_chart(Moments([math.nan] * 2, [0.1, 0.2], [math.nan] * 2))
    known = timeline_chart(Moments([5.0, 6.0], [0.1, 0.2], [30.0, math.nan]))
    assert ">frame<" in unknown and "latency, ms" not in unknown
    assert ">time, s<" in known and "latency, ms" in known


def test_long_runs_stay_small() -> None:
    def length(frames: int) -> int:
        rng = np.random.default_rng(1)
        moments = Moments(np.arange(frames) / 30, rng.uniform(0, 1, frames), np.full(frames, math.nan))  # type: ignore[arg-type]
        return len(timeline_chart(moments))

    assert length(40 * TIMELINE_POINTS) < 1.2 * length(4 * TIMELINE_POINTS)
    all_unknown = np.full(2 * TIMELINE_POINTS, math.nan)
    assert "<svg" in timeline_chart(Moments(all_unknown, all_unknown, all_unknown))  # type: ignore[arg-type]
