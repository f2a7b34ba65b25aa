"""One JSON line per frame, in the manner of Autoware's driving_log_replayer: Result (so far), Stamp, Frame."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ...errors import ConfigError
from ..results import FrameResult
from .conditions import Judge, Verdict, frame_figure
from .schema import DEPTH_FIGURES, Scenario

SUFFIX = ".jsonl"


class FrameLog:
    """The lines that `frame_log` opened; each is on disk before the next frame is evaluated."""

    def __init__(self, file: IO[str], judge: Judge) -> None:
        self._file, self._judge = file, judge

    def write(self, line: dict[str, Any]) -> None:
        """A line."""
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self._file.flush()

    def end(self, bag_errors: Mapping[str, str]) -> None:
        """The last line: the verdict on all frames and bags."""
        result = verdict_line(self._judge.verdicts(), bag_errors)
        self.write({"Result": result, "Stamp": {"System": time.time(), "ROS": None}})

    def add(self, result: FrameResult) -> None:
        """The line of a frame; the judge has taken it in already."""
        figures = {name: _or_none(frame_figure(result, name)) for name in DEPTH_FIGURES}
        stamp_ns = result.stamp_ns
        self.write(
            {
                "Result": verdict_line(self._judge.verdicts()),
                "Stamp": {"System": time.time(), "ROS": None if stamp_ns is None else stamp_ns * 1e-9},
                "Frame": {"Bag": result.group, "Name": result.name, **figures, "latency_ms": result.latency_ms},
            }
        )


@contextmanager
def frame_log(path: Path, scenario: Scenario, judge: Judge) -> Iterator[FrameLog]:
    """Open the log; its first line holds the conditions.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            log = FrameLog(file, judge)
            log.write({"Scenario": scenario.name, "Condition": [condition.words for condition in scenario.conditions]})
            yield log
    except OSError as error:
        raise ConfigError(f"{path}: expected a writable file, got {error}") from error


def verdict_line(verdicts: Sequence[Verdict], bag_errors: Mapping[str, str] | None = None) -> dict[str, Any]:
    """`Success` and a `Summary` that says Passed or Failed, every value, and why bags could not be evaluated.

    Args:
        bag_errors: by bag name; "" where one could.
    """
    failed = [f"Failed {name}: {error}" for name, error in (bag_errors or {}).items() if error]
    success = not failed and all(verdict.passed for verdict in verdicts)
    marks = [f"{'Passed' if verdict.passed else 'Failed'} {verdict.words}" for verdict in verdicts]
    return {"Success": success, "Summary": f"{'Passed' if success else 'Failed'}: " + "; ".join(failed + marks)}


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
