from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defocus_depth.errors import OpticsError
from defocus_depth.messages.lens_state import MEMORY, LensState, LensStateBuffer, lens_state_from


def joint_state(names, positions, velocities=(), stamp_ns: int = 0):
    stamp = SimpleNamespace(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    header = SimpleNamespace(stamp=stamp)
    return SimpleNamespace(header=header, name=names, position=positions, velocity=velocities)


def test_all_joints_are_read() -> None:
    message = joint_state(
        ["f_number", "other", "focus_distance", "focal_length"], [2.0, 9.0, 0.35, 0.012], (), 3_000_000_007
    )
    assert lens_state_from(message) == LensState(3_000_000_007, 0.35, 2.0, 0.012, travelling=False)


def test_infinity_is_a_focus_distance() -> None:
    state = lens_state_from(joint_state(["focus_distance"], [math.inf]))
    assert state == LensState(0, math.inf, None, None, travelling=False)


@pytest.mark.parametrize("moving", ["focus_distance", "f_number", "focal_length"])
@pytest.mark.parametrize("velocity", [1e-9, -2.0])
def test_any_velocity_of_the_lens_means_travelling(moving: str, velocity: float) -> None:
    names = ["focus_distance", "f_number", "focal_length", "pan"]
    velocities = [velocity if name == moving else 0.0 for name in names]
    assert lens_state_from(joint_state(names, [1.0, 2.0, 0.01, 0.0], velocities)).travelling


def test_other_joints_may_move() -> None:
    assert not lens_state_from(joint_state(["focus_distance", "pan"], [1.0, 0.0], [0.0, 5.0])).travelling


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (joint_state(["pan"], [1.0]), r"expected a joint named 'focus_distance', got \['pan'\]"),
        (joint_state(["focus_distance"], []), "1 names, 0 positions, 0 velocities"),
        (joint_state(["focus_distance", "pan"], [1.0, 2.0], [0.0]), "2 names, 2 positions, 1 velocities"),
        (joint_state(["focus_distance"], [math.nan]), "focus_distance: expected > 0, got nan"),
        (joint_state(["focus_distance"], [0.0]), "focus_distance: expected > 0, got 0.0"),
        (joint_state(["focus_distance"], [-math.inf]), "focus_distance: expected > 0, got -inf"),
        (joint_state(["focus_distance", "f_number"], [1.0, math.nan]), "f_number: expected > 0 and finite, got nan"),
        (joint_state(["focus_distance", "f_number"], [1.0, math.inf]), "f_number: expected > 0 and finite, got inf"),
        (
            joint_state(["focus_distance", "focal_length"], [1.0, -1.0]),
            "focal_length: expected > 0 and finite, got -1.0",
        ),
        (joint_state(["focus_distance", "focus_distance"], [1.0, 2.0]), "expected every joint once"),
        (joint_state(["focus_distance"], [1.0], [math.nan]), "velocity: expected a number .*, got nan"),
    ],
)
def test_what_no_lens_can_be_is_refused(message, expected: str) -> None:
    with pytest.raises(OpticsError, match=f"lens_state.*{expected}"):
        lens_state_from(message)


stamps = st.lists(st.integers(0, 50), max_size=30)


@given(stamps, st.integers(0, 50))
def test_the_newest_state_at_or_before_the_moment_holds(received: list[int], moment: int) -> None:
    buffer = LensStateBuffer()
    for order, stamp in enumerate(received):
        buffer.add(LensState(stamp, float(order + 1)))
    earlier = [(stamp, order) for order, stamp in enumerate(received) if stamp <= moment]
    state = buffer.at(moment)
    assert (state is None) == (not earlier)
    if state:
        assert (state.stamp_ns, state.focus_distance_m - 1) == max(earlier)


def test_the_state_received_longest_ago_is_forgotten_even_if_its_stamp_is_the_latest() -> None:
    buffer = LensStateBuffer()
    buffer.add(LensState(10**8, 1.0))
    for stamp in range(MEMORY):
        buffer.add(LensState(stamp, 2.0))
    latest = buffer.at(10**9)
    assert latest is not None and latest.stamp_ns == MEMORY - 1


def test_a_cleared_buffer_knows_nothing() -> None:
    buffer = LensStateBuffer()
    buffer.add(LensState(1, 1.0))
    buffer.clear()
    assert len(buffer) == 0 and buffer.at(5) is None


def test_after_the_clock_jumped_back_states_of_before_hold_no_longer() -> None:
    buffer = LensStateBuffer()
    buffer.add(LensState(90 * 10**9, 0.5))
    buffer.add(LensState(10**9, 1.0))
    assert buffer.at(95 * 10**9) == LensState(10**9, 1.0)


def test_a_state_that_is_only_late_forgets_none() -> None:
    buffer = LensStateBuffer()
    buffer.add(LensState(2 * 10**9, 0.5))
    buffer.add(LensState(10**9, 1.0))
    assert buffer.at(3 * 10**9) == LensState(2 * 10**9, 0.5)


def test_states_that_are_recalled_forget_no_other_and_count_once() -> None:
    buffer = LensStateBuffer()
    buffer.add(LensState(90 * 10**9, 0.5))
    for state in (LensState(10**9, 1.0), LensState(90 * 10**9, 0.5)):
        buffer.recall(state)
    assert len(buffer) == 2
    assert buffer.at(95 * 10**9) == LensState(90 * 10**9, 0.5) and buffer.at(2 * 10**9) == LensState(10**9, 1.0)


def test_states_of_another_clock_are_not_recalled_and_end_when_the_clock_jumps() -> None:
    buffer = LensStateBuffer()
    for stamp_s, focus_m in ((90, 0.4), (95, 0.4), (1, 2.0)):
        buffer.recall(LensState(stamp_s * 10**9, focus_m))
    assert buffer.at(96 * 10**9) == LensState(10**9, 2.0)
    buffer.recall(LensState(50 * 10**9, 3.0))
    buffer.add(LensState(2 * 10**9, 1.0))
    assert buffer.at(96 * 10**9) == LensState(2 * 10**9, 1.0)
