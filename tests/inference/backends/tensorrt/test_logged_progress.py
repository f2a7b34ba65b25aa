"""Progress in the log: often enough, and not for every step."""

from __future__ import annotations

import logging

import pytest

from defocus_depth.inference.backends.tensorrt.logged_progress import LoggedProgress


def test_the_first_step_is_told_and_then_one_every_ten_seconds(caplog: pytest.LogCaptureFixture):
    now = 100.0
    told = LoggedProgress("tensorrt: int8 engine for 320x256 px", lambda: now)
    with caplog.at_level(logging.INFO):
        for step in range(61):
            told("tactics", step + 1, 61)
            now += 0.5
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [f"tensorrt: int8 engine for 320x256 px: tactics, step {step} of 61" for step in (1, 21, 41, 61)]
