from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defocus_depth.evaluation.baselines.pixels import filled, luminance

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))


@settings(deadline=None)
@given(SIZES, st.integers(0, 2**32 - 1), st.floats(0.02, 1))
def test_filling_keeps_known_values_and_stays_between_them(size: tuple[int, int], seed: int, density: float) -> None:
    random = np.random.default_rng(seed)
    values = random.uniform(1, 3, size).astype(np.float32)
    weights = (random.random(size) < density).astype(np.float32)
    dense = filled(values, weights)
    known = weights > 0
    np.testing.assert_allclose(dense[known], values[known], rtol=1e-6)
    if known.any():
        assert values[known].min() - 1e-4 <= dense.min() and dense.max() <= values[known].max() + 1e-4
    else:
        assert not dense.any()


def test_filling_looks_at_the_nearest_values() -> None:
    values = np.tile(np.where(np.arange(64) < 32, 1.0, 5.0).astype(np.float32), (64, 1))
    weights = np.zeros((64, 64), np.float32)
    weights[:, :4] = weights[:, -4:] = 1
    dense = filled(values, weights)
    assert dense[:, :16].max() < 2 and dense[:, -16:].min() > 4


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_luminance_of_full_scale_and_grey(dtype: type) -> None:
    top = np.iinfo(dtype).max
    rgb = np.array([[[top, top, top], [0, top, 0]]], dtype)
    np.testing.assert_allclose(luminance(rgb), [[1.0, 0.587]], atol=1e-5)
    np.testing.assert_allclose(luminance(rgb[..., 0]), [[1.0, 0.0]])
