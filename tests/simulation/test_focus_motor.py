"""The focus motor: constant speed in dioptres, new targets on the way, rest at the end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defocus_depth.simulation.focus_motor import FocusMotor


def test_travels_at_its_speed_and_rests() -> None:
    motor = FocusMotor(3.0, speed_dpt_per_s=2.0)
    assert motor.at(0.0).velocity_dpt_per_s == 0
    motor.go_to(1.0, now_s=10.0)
    assert motor.at(10.5).focus_dpt == pytest.approx(2.0)
    assert motor.at(10.5).velocity_dpt_per_s == -2.0
    assert (motor.at(11.0).focus_dpt, motor.at(11.0).velocity_dpt_per_s) == (1.0, 0.0)


def test_turns_round_on_the_way_without_a_jump() -> None:
    motor = FocusMotor(0.0, speed_dpt_per_s=1.0)
    motor.go_to(2.0, now_s=0.0)
    motor.go_to(0.0, now_s=1.5)
    assert motor.at(1.5).focus_dpt == pytest.approx(1.5)
    assert motor.at(2.0).focus_dpt == pytest.approx(1.0)
    assert motor.at(2.0).velocity_dpt_per_s == -1.0


@given(st.floats(0, 10), st.floats(0, 10), st.floats(0.1, 50), st.floats(0, 100))
def test_stays_between_start_and_target(start: float, target: float, speed: float, after_s: float) -> None:
    motor = FocusMotor(start, speed)
    motor.go_to(target, now_s=0.0)
    low, high = sorted((start, target))
    assert low - 1e-9 <= motor.at(after_s).focus_dpt <= high + 1e-9
