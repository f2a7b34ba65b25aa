from __future__ import annotations

import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.baselines import median_depth_m


def test_median_over_all_valid_pixels_of_all_frames() -> None:
    maps = [np.array([[1.0, np.nan, 0.0]], np.float32), np.array([[2.0, 7.0], [np.inf, 9.0]], np.float32)]
    assert median_depth_m(maps) == pytest.approx(4.5)  # of 1 2 7 9, not the median of the maps' medians


def test_refuses_a_data_set_without_truth() -> None:
    with pytest.raises(ConfigError, match="expected ground truth with at least one valid pixel, got none"):
        median_depth_m([np.full((2, 2), np.nan, np.float32)])
