"""What is known of one evaluated frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from .confidence import ConfidenceFigures
from .pixel_table import Sums


@dataclass(frozen=True)
class FrameResult:
    """Figures of one sample (NaN where no pixel qualifies).

    Attributes:
        figures: dense, unmasked; `metrics.FIGURE_NAMES`.
        masked: only pixels of at least the asked confidence; None for methods without confidence.
        mean_confidence: over pixels with valid truth; should match δ1.
        median_scaled: depth figures after scaling the prediction by the median of d/d̂, and that `scale`.
        parts: `distance_bins`, `texture`, `edges` → (names, statistics) sums; `summary.part_rows` turns them into
            figures by name.
        histogram: pixels per bin of log2(d̂/d) (`pixel_table.HISTOGRAM_BINS`).
        confidence: None for methods without it.
        flicker_rel: against the frame before; NaN unless the scene and the focus stood still.
        stamp_ns: of the image, where its source knows it.
        latency_ms: wall clock of the method on this frame, or from capture to result online. Never in the summary.
    """

    name: str
    group: str
    figures: Mapping[str, float]
    masked: Mapping[str, float] | None = None
    mean_confidence: float = math.nan
    median_scaled: Mapping[str, float] = field(default_factory=dict)
    parts: Mapping[str, Sums] = field(default_factory=dict)
    histogram: Sums | None = None
    confidence: ConfidenceFigures | None = None
    flicker_rel: float = math.nan
    stamp_ns: int | None = None
    latency_ms: float | None = None
