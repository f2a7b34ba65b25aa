"""Transfer functions: known values, inverse pairs, and that blur belongs in linear light."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from defocus_depth.errors import ConfigError
from defocus_depth.optics import from_linear, to_linear
from defocus_depth.types import TRANSFERS

unit = arrays(np.float64, st.integers(1, 20), elements=st.floats(0.0, 1.0))


@given(unit, st.sampled_from(TRANSFERS))
def test_inverse_pairs(values, transfer):
    np.testing.assert_allclose(from_linear(to_linear(values, transfer), transfer), values, atol=1e-6)
    np.testing.assert_allclose(to_linear(from_linear(values, transfer), transfer), values, atol=1e-6)


@pytest.mark.parametrize(
    ("encoded", "radiance"),
    [(0.0, 0.0), (0.04045, 0.04045 / 12.92), (0.5, 0.21404114), (188 / 255, 0.50288646), (1.0, 1.0)],
)
def test_srgb_has_the_values_of_the_standard(encoded, radiance):
    assert to_linear(np.array([encoded]), "srgb")[0] == pytest.approx(radiance, abs=1e-7)


def test_gamma_and_linear():
    values = np.array([0.0, 0.25, 1.0])
    np.testing.assert_allclose(to_linear(values, "gamma"), values**2.2)
    np.testing.assert_array_equal(to_linear(values, "linear"), values)


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_grows_and_keeps_single_precision(transfer):
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    for function in (to_linear, from_linear):
        assert function(values, transfer).dtype == np.float32
        assert (np.diff(function(values, transfer)) > 0).all()


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_values_below_zero_stay_finite(transfer):
    below = np.array([-0.1, -1e-9])
    assert np.isfinite(to_linear(below, transfer)).all() and np.isfinite(from_linear(below, transfer)).all()


def test_refuses_an_unknown_transfer():
    for function in (to_linear, from_linear):
        with pytest.raises(ConfigError, match="transfer: expected one of srgb, linear, gamma, got 'rec709'"):
            function(np.zeros(1), "rec709")  # type: ignore[arg-type]
