"""The weighted median against its definition."""

import numpy as np

from defocus_training.fitting.weighted_median import weighted_median


def test_equals_the_median_of_the_weights_up_to_a_bin() -> None:
    rng = np.random.default_rng(1)
    values, guide = rng.uniform(0, 1, (12, 14)).astype(np.float32), rng.uniform(0, 0.3, (12, 14, 3)).astype(np.float32)
    trust = rng.uniform(0.1, 1, (12, 14)).astype(np.float32)
    where = rng.random((12, 14)) < 0.3
    found = weighted_median(values, guide, trust, where, 4, 0.1)
    np.testing.assert_array_equal(found[~where], values[~where])
    rows, columns = np.indices(values.shape)
    for y, x in np.argwhere(where):
        inside = (np.abs(rows - y) <= 4) & (np.abs(columns - x) <= 4)
        distance2 = (rows - y) ** 2 + (columns - x) ** 2
        likeness = np.exp(-((guide - guide[y, x]) ** 2).sum(-1) / (2 * 0.1**2) - distance2 / (2 * (4 / 1.5) ** 2))
        weights = (trust * likeness)[inside]
        order = np.argsort(values[inside])
        middle = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
        assert abs(found[y, x] - values[inside][order][middle]) < 2 / 64


def test_edges_follow_colours() -> None:
    values = np.zeros((20, 20), np.float32)
    values[:, 8:] = 1  # the depth edge is two columns too far to the left
    guide = np.zeros((20, 20, 3), np.float32)
    guide[:, 10:] = 1
    trust = np.ones((20, 20), np.float32)
    trust[:, 8:10] = 0.1
    snapped = weighted_median(values, guide, trust, np.ones((20, 20), bool), 6, 0.1)
    np.testing.assert_allclose(snapped, np.broadcast_to(np.arange(20) >= 10, (20, 20)), atol=0.02)
