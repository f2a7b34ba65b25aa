"""The score of the sign of blur knows right from wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

from blur_sign import Room, _figures  # noqa: E402


@pytest.fixture
def room() -> Room:
    coc = np.repeat(np.array([-6.0, -1.0, 5.0, 7.0], np.float32)[:, None], 4, 1)
    return Room(np.zeros((4, 4, 3), np.float32), 20.0, coc)


def test_sides_are_told_apart_and_what_is_nearly_sharp_does_not_count(room: Room) -> None:
    assert _figures([room], [room.coc_px]) == {
        "near_side_right": 1, "far_side_right": 1, "near_share": pytest.approx(1 / 3), "coc_mae_px": 0,
    }  # fmt: skip
    all_far = np.abs(room.coc_px)
    assert _figures([room], [all_far])["near_side_right"] == 0
    assert _figures([room], [all_far])["coc_mae_px"] == pytest.approx((12 + 2) / 4)
