"""Which scene seeds belong to whom, so that nothing is evaluated on scenes that training has seen.

A scene is fixed by (rig, seed). Training draws seeds from `TRAINING_SEEDS` only; everything that reports
figures (evaluation, demo, tests) stays below it. What `defocus_training synthesize` writes may be used for either, so
its seeds are apart from all others.
"""

from __future__ import annotations

from ..errors import ConfigError

EVALUATION_SEEDS = range(0, 1_000_000)  # `defocus_depth simulate` and the figures in the documentation
CAMERA_SEEDS = range(1_000_000, 2_000_000)  # the simulated camera and the demo
SYNTHESIS_SEEDS = range(2_000_000, 5_000_000)  # `defocus_training synthesize`, whose seed 0 is the first
TRAINING_SEEDS = range(10_000_000, 2**31)

_NAMED = {
    "evaluation": EVALUATION_SEEDS,
    "camera": CAMERA_SEEDS,
    "synthesis": SYNTHESIS_SEEDS,
    "training": TRAINING_SEEDS,
}


def check_shown(seeds: range) -> None:
    """Refuse scenes of training, on which no figure means anything.

    Raises:
        ConfigError: one of the seeds is negative, or training's.
    """
    if not 0 <= seeds.start or seeds.stop > TRAINING_SEEDS.start:
        got = f"{seeds.start}..{seeds.stop - 1}"
        raise ConfigError(f"seed: expected 0 ≤ seed < {TRAINING_SEEDS.start}, where training's begin, got {got}")


def seed_range_name(seed: int) -> str:
    """Name of the range that `seed` lies in: evaluation, camera, synthesis, training or unassigned.

    Raises:
        ConfigError: the seed is negative or ≥ 2³¹.
    """
    if not 0 <= seed < TRAINING_SEEDS.stop:
        raise ConfigError(f"scene seed: expected 0 ≤ seed < {TRAINING_SEEDS.stop}, got {seed}")
    return next((name for name, seeds in _NAMED.items() if seed in seeds), "unassigned")
