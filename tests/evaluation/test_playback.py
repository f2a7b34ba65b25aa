"""A bag's pace, on a timer that does not wait."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.bags.reader import RecordedMessage
from defocus_depth.evaluation.playback import Moment, Pace, paced


class InstantTimer:
    """Sleeping moves its clock and takes no time; working takes `work_s` per look at the clock."""

    def __init__(self, work_s: float = 0.0) -> None:
        self.time_s, self.work_s, self.slept = 50.0, work_s, []

    def now_s(self) -> float:
        self.time_s += self.work_s
        return self.time_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.time_s += seconds


def _messages(*seconds: float) -> list[RecordedMessage]:
    return [RecordedMessage("/t", 10**9 + round(second * 1e9), b"") for second in seconds]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20), st.floats(0.1, 10))
def test_messages_are_due_at_their_time_over_the_rate(seconds, rate):
    timer, due = InstantTimer(), []
    messages = _messages(*sorted(seconds))
    for moment in paced(messages, 10**9, Pace(rate), timer):
        due.append(timer.time_s - 50.0)
        assert moment.message is not None and moment.time_ns == moment.message.time_ns
    np.testing.assert_allclose(due, np.array(sorted(seconds)) / rate, atol=1e-6)


def test_late_messages_go_out_at_once_and_the_schedule_does_not_drift():
    timer = InstantTimer(work_s=0.15)
    list(paced(_messages(*np.arange(0, 1, 0.1)), 10**9, Pace(), timer))
    assert timer.slept == []
    timer = InstantTimer(work_s=0.01)
    list(paced(_messages(*np.arange(0, 10, 0.1)), 10**9, Pace(), timer))
    assert timer.time_s - 50.0 == pytest.approx(9.9, abs=0.05)


def test_messages_out_of_order_are_all_played():
    played = [moment.message for moment in paced(_messages(0, 0.2, 0.1, 0.3), 10**9, Pace(), InstantTimer())]
    assert played == _messages(0, 0.2, 0.1, 0.3)


def test_ticks_fill_the_time_between_messages():
    moments = list(paced(_messages(0, 1.05), 10**9, Pace(rate=2.0, clock_hz=10), InstantTimer()))
    ticks = [moment for moment in moments if moment.message is None]
    np.testing.assert_allclose([tick.time_ns for tick in ticks], 1e9 + np.arange(0, 1.05, 0.2) * 1e9)
    assert [moment.time_ns for moment in moments] == sorted(moment.time_ns for moment in moments)
    assert moments[1] == Moment(10**9, _messages(0)[0])


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
def test_refuses_rates_that_never_end(rate):
    with pytest.raises(ConfigError, match="rate: expected a finite number > 0"):
        Pace(rate)
    with pytest.raises(ConfigError, match="clock_hz: expected 0..1000"):
        Pace(clock_hz=-1.0)
