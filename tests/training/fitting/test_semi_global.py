"""Semi-global smoothing against the recursion written out plainly."""

import numpy as np

from defocus_training.fitting.semi_global import semi_global


def plain_path(cost: np.ndarray, links: tuple[np.ndarray, np.ndarray], step: float, move: tuple[int, int]):
    """Cost of the cheapest path that arrives at each pixel and hypothesis from one direction."""
    count, height, width = cost.shape
    steps = np.abs(np.arange(count)[:, None] - np.arange(count))
    change = np.select([steps == 0, steps == 1, steps == 2], [0.0, 1.0, 2.5], 8.0)
    path = np.zeros_like(cost)
    rows = range(height) if move[0] >= 0 else range(height - 1, -1, -1)
    columns = range(width) if move[1] >= 0 else range(width - 1, -1, -1)
    for y in rows:
        for x in columns:
            v, u = y - move[0], x - move[1]
            path[:, y, x] = cost[:, y, x]
            if 0 <= v < height and 0 <= u < width:
                across = links[0][y, min(x, u)] if move[1] else 1.0
                along = links[1][min(y, v), x] if move[0] else 1.0
                before = path[:, v, u] + step * min(1.0, across, along) * change
                path[:, y, x] += before.min(1) - path[:, v, u].min()
    return path


def test_equals_the_plain_recursion() -> None:
    rng = np.random.default_rng(0)
    cost = rng.uniform(0, 10, (5, 6, 7)).astype(np.float32)
    links = rng.uniform(0.05, 1, (6, 6)).astype(np.float32), rng.uniform(0.05, 1, (5, 7)).astype(np.float32)
    moves = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]
    expected = sum(plain_path(cost, links, 1.5, move) for move in moves)
    np.testing.assert_allclose(semi_global(cost, links, 1.5), expected, rtol=1e-4)


def test_one_doubtful_pixel_follows_its_surroundings() -> None:
    cost = np.ones((4, 9, 9), np.float32) * 5
    cost[1] = 0
    cost[1, 4, 4], cost[3, 4, 4] = 5, 4.9
    links = np.ones((9, 8), np.float32), np.ones((8, 9), np.float32)
    assert (semi_global(cost, links, 2.0).argmin(0) == 1).all()
