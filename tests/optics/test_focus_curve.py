from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defocus_depth.errors import OpticsError
from defocus_depth.optics.focus_curve import FocusCurve


@st.composite
def curves(draw: st.DrawFn) -> FocusCurve:
    count = draw(st.integers(2, 8))
    steps = st.lists(st.floats(0.01, 100), min_size=count, max_size=count)
    positions = draw(st.floats(-1e4, 1e4)) + np.cumsum(draw(steps))
    dioptres = draw(st.floats(-5, 20)) + draw(st.sampled_from((-1, 1))) * np.cumsum(draw(steps)) / 10
    return FocusCurve(draw(st.sampled_from(("affine", "monotone"))), tuple(positions), tuple(dioptres))


@settings(deadline=None)
@given(curves(), st.floats(0, 1))
def test_inverse_pair(curve: FocusCurve, fraction: float) -> None:
    position = float(np.interp(fraction, (0, 1), (curve.positions[0], curve.positions[-1])))
    focus_dpt = min(max(curve.focus_dpt(position), min(curve.dioptres)), max(curve.dioptres))
    if curve.kind == "monotone":
        span = curve.positions[-1] - curve.positions[0]
        assert curve.position(focus_dpt) == pytest.approx(position, abs=1e-6 * (span + 1e4))
        assert curve.focus_dpt(curve.position(focus_dpt)) == pytest.approx(focus_dpt, abs=1e-9)
    else:
        assert curve.position(curve.focus_dpt(position)) == pytest.approx(position, abs=1e-6 * (abs(position) + 1e4))


@settings(deadline=None)
@given(curves())
def test_monotone_passes_through_its_samples(curve: FocusCurve) -> None:
    exact = FocusCurve("monotone", curve.positions, curve.dioptres)
    for position, focus_dpt in zip(curve.positions, curve.dioptres, strict=True):
        assert exact.focus_dpt(position) == pytest.approx(focus_dpt)


@settings(deadline=None)
@given(curves())
def test_affine_is_the_least_squares_line(curve: FocusCurve) -> None:
    line = FocusCurve("affine", curve.positions, curve.dioptres)
    middle = float(np.mean(curve.positions))
    slope, offset = np.polyfit(np.array(curve.positions) - middle, curve.dioptres, 1)
    for position in (*curve.positions, middle - 500):
        assert line.focus_dpt(position) == pytest.approx(slope * (position - middle) + offset, rel=1e-6, abs=1e-6)


def test_affine_extrapolates_beyond_infinity_and_monotone_refuses() -> None:
    affine = FocusCurve("affine", (100.0, 300.0), (0.0, 2.0))
    assert affine.focus_dpt(50.0) == pytest.approx(-0.5)
    assert affine.position(3.0) == pytest.approx(400.0)
    monotone = FocusCurve("monotone", (100.0, 300.0), (2.0, 0.0))
    assert monotone.position(0.5) == pytest.approx(250.0)
    with pytest.raises(OpticsError, match=r"focus_curve position: expected 100.0..300.0, got 301.0"):
        monotone.focus_dpt(301.0)
    with pytest.raises(OpticsError, match=r"focus_curve focus_dpt: expected 0.0..2.0, got nan"):
        monotone.position(float("nan"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cubic", (1.0, 2.0), (1.0, 2.0)), "kind: expected affine or monotone, got 'cubic'"),
        (("affine", (1.0,), (1.0,)), "expected at least 2 positions and as many dioptres, got 1 and 1"),
        (("affine", (1.0, 2.0), (1.0, 2.0, 3.0)), "as many dioptres, got 2 and 3"),
        (("affine", (1.0, 1.0), (1.0, 2.0)), "positions: expected strictly increasing"),
        (("monotone", (1.0, 2.0, 3.0), (1.0, 2.0, 1.5)), "dioptres: expected strictly monotone"),
        (("affine", (1.0, float("nan")), (1.0, 2.0)), "expected finite numbers"),
    ],
)
def test_refuses_what_is_no_curve(arguments: tuple, message: str) -> None:
    with pytest.raises(OpticsError, match=message):
        FocusCurve(*arguments)
