"""Whether conditions hold on the frames seen so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..pixel_table import distance_bin_names
from ..results import FrameResult
from ..summary import part_rows
from .schema import DEPTH_FIGURES, Condition

PERCENTILE = 95


@dataclass(frozen=True)
class Verdict:
    """One condition and what was measured; `value` None: nothing was."""

    condition: Condition
    value: float | None

    @property
    def passed(self) -> bool:
        """Whether the condition holds; without a value it does not."""
        return self.condition.holds(self.value)

    @property
    def words(self) -> str:
        """`abs_rel ≤ 0.3: 0.281`."""
        return f"{self.condition.words}: {'no value' if self.value is None else f'{self.value:.4g}'}"


class Judge:
    """Sums frames up as they come; knows every condition's value at any time.

    Sums and counts only, and the frames' latencies: memory hardly grows.
    """

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._conditions = tuple(conditions)
        self._sums = dict.fromkeys(DEPTH_FIGURES, 0.0)
        self._counts = dict.fromkeys(DEPTH_FIGURES, 0)
        self._bins: np.ndarray | None = None
        self._latencies_ms: list[float] = []
        self.images = self.dropped = 0

    def add(self, result: FrameResult) -> None:
        """Take a frame in."""
        for name in DEPTH_FIGURES:
            value = frame_figure(result, name)
            if math.isfinite(value):
                self._sums[name] += value
                self._counts[name] += 1
        if (sums := result.parts.get("distance_bins")) is not None:
            self._bins = sums.copy() if self._bins is None else self._bins + sums
        if result.latency_ms is not None:
            self._latencies_ms.append(result.latency_ms)

    def count(self, images: int, dropped: int) -> None:
        """Images that should have given a result, and those that did not."""
        self.images += images
        self.dropped += dropped

    def verdicts(self) -> list[Verdict]:
        """All conditions as they stand."""
        return [Verdict(condition, self._value(condition)) for condition in self._conditions]

    def _value(self, condition: Condition) -> float | None:
        name = condition.figure
        if condition.distance_bin:
            return self._of_bin(condition)
        if name == "latency_p95_ms":
            return float(np.percentile(self._latencies_ms, PERCENTILE)) if self._latencies_ms else None
        if name == "drops":
            return float(self.dropped) if self.images else None
        if name == "drop_ratio":
            return self.dropped / self.images if self.images else None
        return self._sums[name] / self._counts[name] if self._counts[name] else None

    def _of_bin(self, condition: Condition) -> float | None:
        if self._bins is None:
            return None
        row = part_rows("distance_bins", self._bins)[distance_bin_names().index(condition.distance_bin)]
        if condition.figure == "invalid_ratio":
            return None if row["valid_fraction"] is None else 1 - row["valid_fraction"]
        return row[condition.figure]


def frame_figure(result: FrameResult, name: str) -> float:
    """A depth figure of one frame; NaN where it has none."""
    return 1 - result.figures["valid_fraction"] if name == "invalid_ratio" else result.figures[name]
