from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.bags.method import streamed_median_m
from defocus_depth.evaluation.baselines import median_depth_m

depths = st.floats(2.0**-10, 1024.0, width=32) | st.just(float("nan")) | st.just(0.0)


@settings(deadline=None, max_examples=40)
@given(st.lists(arrays(np.float32, (3, 5), elements=depths), min_size=1, max_size=4))
def test_the_streamed_median_is_one_of_those_that_holding_all_maps_gives(maps) -> None:
    """Of an even number of pixels the plain twin takes the middle between the two in question."""
    valid = np.sort(np.concatenate([values[values > 0] for values in maps]))
    if not valid.size:
        with pytest.raises(ConfigError, match="constant: expected ground truth with at least one valid pixel"):
            streamed_median_m(maps)
        return
    found = streamed_median_m(maps)
    low, high = valid[(valid.size - 1) // 2], valid[valid.size // 2]
    assert low * (1 - 3e-4) <= found <= high * (1 + 3e-4)
    if low == high:
        assert found == pytest.approx(median_depth_m(maps), rel=3e-4)
