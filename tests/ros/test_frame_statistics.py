from __future__ import annotations

import math

import numpy as np
import pytest

from defocus_depth.ros.frame_statistics import FrameStatistics, PublishedFrame


class FakeClock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_window_holds_what_happened_since_the_last_one_and_totals_go_on() -> None:
    clock = FakeClock()
    statistics = FrameStatistics(clock)
    for _ in range(30):
        statistics.image_arrived()
    statistics.count("refused", "first")
    statistics.count("refused", "second")
    statistics.count("lost", number=7)
    clock.now += 2.0
    window = statistics.take_window()
    assert window.rate_hz("received") == 15.0
    assert (window.counts["refused"], window.counts["lost"], window.reasons) == (2, 7, {"refused": "second"})
    statistics.count("refused", "third")
    clock.now += 1.0
    window = statistics.take_window()
    assert (window.counts["refused"], window.totals["refused"], window.totals["lost"]) == (1, 3, 7)


def test_percentiles_and_invalid_ratio_are_those_of_the_windows_frames() -> None:
    statistics = FrameStatistics(FakeClock())
    latencies = np.random.default_rng(0).uniform(0, 0.1, 101)
    for latency in latencies:
        statistics.frame_published(PublishedFrame(float(latency), float(latency) + 1, 0.25))
    statistics.frame_published(PublishedFrame(float(np.median(latencies)), 1.0, None))
    window = statistics.take_window()
    assert window.counts["published"] == 102
    assert window.percentile_ms("latency_s", 50) == pytest.approx(np.median(latencies) * 1e3)
    assert window.percentile_ms("age_s", 95) == pytest.approx(1e3 + np.percentile(latencies, 95) * 1e3, rel=1e-2)
    assert window.invalid_ratio == 0.25
    empty = statistics.take_window()
    assert math.isnan(empty.percentile_ms("latency_s", 50)) and math.isnan(empty.invalid_ratio)
    assert empty.rate_hz("published") == 0.0


def test_silence_is_measured_from_activation_or_the_last_image() -> None:
    clock = FakeClock()
    statistics = FrameStatistics(clock)
    assert statistics.take_window().silent_s is None
    statistics.watch(active=True)
    clock.now += 3
    assert statistics.take_window().silent_s == 3
    statistics.image_arrived()
    clock.now += 1
    assert statistics.take_window().silent_s == 1
    statistics.watch(active=False)
    assert statistics.take_window().silent_s is None
