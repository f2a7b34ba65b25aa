"""Training stacks from the runtime's simulation: ray-traced rooms instead of layers, so that breadth has two sources.

The lens has no focus-dependent gain (its focal length is tiny), because a pool's stack has one G for all frames.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from defocus_depth.simulation.lens_sampling import RayBudget, render_depth
from defocus_depth.simulation.rendering import render_linear
from defocus_depth.simulation.rigs import ROBOT, Rig
from defocus_depth.simulation.scenes import Scene, make_scene
from defocus_depth.simulation.seeds import TRAINING_SEEDS
from defocus_depth.types import CameraIntrinsics, LensParameters

from .procedural import ProceduralOptions, ProceduralStack

SAMPLES_PER_PIXEL = 64
TINY_FOCAL_LENGTH_M = 1e-5
Rng = np.random.Generator


def simulate_stack(rng: Rng, options: ProceduralOptions) -> ProceduralStack:
    """One ray-traced stack: a scene of the rig `robot` for training, seen through a random lens."""
    rig = _random_rig(rng, options)
    scene = make_scene(rig, int(rng.integers(TRAINING_SEEDS.start, TRAINING_SEEDS.stop)))
    foci_dpt = np.linspace(1 / rig.near_focus_m, rng.uniform(0.3, 0.95) / rig.depth_max_m, options.frames)
    seeds = rng.integers(0, 2**31, options.frames)
    frames = [
        render_linear(scene, rig, 1 / focus, RayBudget(SAMPLES_PER_PIXEL, int(seed)))
        for focus, seed in zip(foci_dpt, seeds, strict=True)
    ]
    gain = rig.blur_gain_px_per_dpt(rig.near_focus_m)
    return ProceduralStack(
        np.clip(np.stack(frames), 0, 1), _inverse_depth_px(scene, rig), (gain * foci_dpt).astype(np.float32)
    )


def _random_rig(rng: Rng, options: ProceduralOptions) -> Rig:
    """The rig `robot` with a square picture, another blur gain and another place of its near focus."""
    size = options.size_px
    nearest_px = rng.uniform(*options.nearest_px)
    gain = nearest_px * ROBOT.depth_min_m
    pitch_m = TINY_FOCAL_LENGTH_M**2 / gain
    middle = (size - 1) / 2
    focal_px = ROBOT.camera.fx * size / ROBOT.camera.width
    return dataclasses.replace(
        ROBOT,
        lens=LensParameters(TINY_FOCAL_LENGTH_M, 1.0, pitch_m, image_width_px=size),
        camera=CameraIntrinsics(size, size, focal_px, focal_px, middle, middle),
        near_focus_m=ROBOT.depth_min_m * rng.uniform(0.82, 0.99),
    )


def _inverse_depth_px(scene: Scene, rig: Rig) -> npt.NDArray[np.float32]:
    gain = rig.blur_gain_px_per_dpt(rig.near_focus_m)
    return (gain / render_depth(scene.tables(), rig.camera)).astype(np.float32)
