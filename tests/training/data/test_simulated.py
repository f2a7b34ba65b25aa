"""Ray-traced training stacks: consistent blur, foci around the scene, and seeds that no evaluation uses."""

import numpy as np

from defocus_depth.simulation.seeds import TRAINING_SEEDS
from defocus_training.data import simulated
from defocus_training.data.procedural import ProceduralOptions
from defocus_training.data.simulated import simulate_stack

SMALL = ProceduralOptions(size_px=48, frames=3, nearest_px=(8.0, 12.0))


def test_stack_focuses_from_nearer_than_the_scene_to_farther() -> None:
    stack = simulate_stack(np.random.default_rng(0), SMALL)
    assert stack.radiance.shape == (3, 48, 48, 3) and stack.radiance.dtype == np.float32
    assert stack.focus_px[0] > stack.inverse_depth_px.max() and stack.focus_px[-1] < stack.inverse_depth_px.min()
    assert stack.inverse_depth_px.max() <= 12.01


def test_the_frame_in_focus_is_the_sharpest() -> None:
    sharpest = []
    for seed in range(4):
        stack = simulate_stack(np.random.default_rng(seed), SMALL)
        coc = np.abs(stack.focus_px[:, None, None] - stack.inverse_depth_px).mean((1, 2))
        detail = np.abs(np.diff(stack.radiance, axis=2)).mean((1, 2, 3))
        sharpest.append(coc.argmin() == detail.argmax())
    assert sum(sharpest) >= 3


def test_scenes_come_from_trainings_seeds(monkeypatch) -> None:
    seeds: list[int] = []
    original = simulated.make_scene

    def remember(rig, seed):
        seeds.append(seed)
        return original(rig, seed)

    monkeypatch.setattr(simulated, "make_scene", remember)
    simulate_stack(np.random.default_rng(3), SMALL)
    assert seeds and all(seed in TRAINING_SEEDS for seed in seeds)
