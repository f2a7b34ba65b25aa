"""What is known of one evaluated frame, and of many."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import ConfigError
from .confidence import RANK_STEPS, ConfidenceFigures
from .pixel_table import STATISTICS, Sums


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

    def without_ranks(self) -> FrameResult:
        """The same with `ConfidenceFigures.without_ranks`."""
        return self if self.confidence is None else replace(self, confidence=self.confidence.without_ranks())


class JudgedFrames:
    """The frames of an evaluation as its summary needs them; of their `ConfidenceFigures.ranks` it keeps the sum only.

    Attributes:
        frames: in order, without their ranks.
        ranks: (`RANK_STEPS`, 2) of all frames together.
    """

    def __init__(self, results: Iterable[FrameResult] = ()) -> None:
        self.frames: list[FrameResult] = []
        self.ranks = np.zeros((RANK_STEPS, 2))
        for result in results:
            self.append(result)

    def append(self, result: FrameResult) -> None:
        """Take in one frame, as `run.FrameJudge` made it."""
        if result.confidence is not None:
            self.ranks += result.confidence.ranks
        self.frames.append(result.without_ranks())

    def check_truth(self, source: str) -> None:
        """Refuse figures that nothing was compared for: a table of dashes would look like an evaluation.

        Args:
            source: of the ground truth, for the message.

        Raises:
            ConfigError: there are frames, and no pixel of any of them has ground truth.
        """
        truth = STATISTICS.index("truth")
        if self.frames and not any(frame.parts["edges"][:, truth].any() for frame in self.frames):
            raise ConfigError(
                f"{source}: expected ground truth (finite, > 0 m) at one pixel at least, got none in {len(self)} frames"
            )

    def __len__(self) -> int:
        return len(self.frames)
