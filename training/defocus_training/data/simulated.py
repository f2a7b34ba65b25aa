"""Training stacks by the runtime's ray tracer instead of layers, so that breadth has more than one source.

The lens has no focus-dependent gain (its focal length is tiny), because a pool's stack has one G for all frames.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from defocus_depth.simulation.lens_sampling import RayBudget, render_depth
from defocus_depth.simulation.rendering import render_linear
from defocus_depth.simulation.rigs import ROBOT, Rig
from defocus_depth.simulation.scenes import Scene, furnish, make_scene
from defocus_depth.simulation.seeds import TRAINING_SEEDS
from defocus_depth.types import CameraIntrinsics, LensParameters

from .procedural import ProceduralOptions, ProceduralStack, sample_gap_px
from .standing_scene import standing_things

SAMPLES_PER_PIXEL = 64
TINY_FOCAL_LENGTH_M = 1e-5
FOCAL_LENGTH_OVER_WIDTH = (0.75, 2.5)
"""Of cameras that look at standing things: from 67 to 23 degrees across."""
FARTHEST = 40.0
"""A room whose depths span a larger ratio is no room."""
Rng = np.random.Generator
Map = npt.NDArray[np.float32]
Tracer = Callable[[Scene, Rig, Sequence[float], Sequence[int]], Map]
"""`trace_frames`, or what does the same elsewhere."""


def trace_frames(scene: Scene, rig: Rig, focus_m: Sequence[float], seeds: Sequence[int]) -> Map:
    """Linear radiance (K, H, W, 3), focused at each of `focus_m`; on one core."""
    budgets = [RayBudget(SAMPLES_PER_PIXEL, int(seed)) for seed in seeds]
    return np.stack([render_linear(scene, rig, *frame) for frame in zip(focus_m, budgets, strict=True)])


def simulate_stack(rng: Rng, options: ProceduralOptions, trace: Tracer = trace_frames) -> ProceduralStack:
    """One ray-traced stack: a scene of the rig `robot` for training, seen through a random lens."""
    rig = _random_rig(rng, options)
    scene = make_scene(rig, int(rng.integers(TRAINING_SEEDS.start, TRAINING_SEEDS.stop)))
    foci_dpt = np.linspace(1 / rig.near_focus_m, rng.uniform(0.3, 0.95) / rig.depth_max_m, options.frames)
    return _stack(rng, scene, rig, foci_dpt, trace)


def standing_stack(rng: Rng, options: ProceduralOptions, trace: Tracer = trace_frames) -> ProceduralStack:
    """One ray-traced stack of things that stand on a table or the floor, seen from above through a random lens."""
    size = options.size_px
    focal_px = size * float(np.exp(rng.uniform(*np.log(FOCAL_LENGTH_OVER_WIDTH))))
    view = dataclasses.replace(ROBOT, name="standing", camera=_square_camera(size, focal_px))
    scene, depth_m = _standing_scene(rng, view)
    nearest_m, farthest_m = float(depth_m.min()), float(depth_m.max())
    gain = rng.uniform(*options.nearest_px) * float(np.quantile(depth_m, 0.02))
    near_focus_m = _near_focus_m(rng, gain, (nearest_m, farthest_m), options)
    rig = dataclasses.replace(view, lens=_lens(gain, size), near_focus_m=near_focus_m)
    foci_dpt = np.linspace(1 / rig.near_focus_m, rng.uniform(0.3, 0.95) / farthest_m, options.frames)
    return dataclasses.replace(_stack(rng, scene, rig, foci_dpt, trace), standing=True)


def _standing_scene(rng: Rng, view: Rig) -> tuple[Scene, Map]:
    """A furnished room that fills the picture, and its depth."""
    half_view = 0.5 * view.camera.width / view.camera.fx
    seed = int(rng.integers(TRAINING_SEEDS.start, TRAINING_SEEDS.stop))
    while True:
        scene = furnish(rng, view, seed, standing_things(rng, half_view))
        depth_m = render_depth(scene.tables(), view.camera)
        if np.isfinite(depth_m).all() and depth_m.max() < FARTHEST * depth_m.min():
            return scene, depth_m


def _stack(rng: Rng, scene: Scene, rig: Rig, foci_dpt: npt.NDArray[np.float64], trace: Tracer) -> ProceduralStack:
    seeds = rng.integers(0, 2**31, len(foci_dpt))
    frames = trace(scene, rig, list(1 / foci_dpt), list(seeds))
    gain = rig.blur_gain_px_per_dpt(rig.near_focus_m)
    inverse_depth_px = (gain / render_depth(scene.tables(), rig.camera)).astype(np.float32)
    return ProceduralStack(np.clip(frames, 0, 1), inverse_depth_px, (gain * foci_dpt).astype(np.float32))


def _random_rig(rng: Rng, options: ProceduralOptions) -> Rig:
    """The rig `robot` with a square picture, another blur gain and another place of its near focus."""
    size = options.size_px
    gain = rng.uniform(*options.nearest_px) * ROBOT.depth_min_m
    focal_px = ROBOT.camera.fx * size / ROBOT.camera.width
    return dataclasses.replace(
        ROBOT,
        lens=_lens(gain, size),
        camera=_square_camera(size, focal_px),
        near_focus_m=_near_focus_m(rng, gain, (ROBOT.depth_min_m, ROBOT.depth_max_m), options),
    )


def _near_focus_m(rng: Rng, gain_px_per_dpt: float, depths_m: tuple[float, float], options: ProceduralOptions) -> float:
    """A focus distance before all of a scene that lies between `depths_m` (nearest, farthest)."""
    nearest_px, farthest_px = (gain_px_per_dpt / depth_m for depth_m in depths_m)
    return gain_px_per_dpt / (nearest_px + sample_gap_px(rng, nearest_px - farthest_px, options))


def _lens(gain_px_per_dpt: float, size_px: int) -> LensParameters:
    return LensParameters(TINY_FOCAL_LENGTH_M, 1.0, TINY_FOCAL_LENGTH_M**2 / gain_px_per_dpt, image_width_px=size_px)


def _square_camera(size_px: int, focal_px: float) -> CameraIntrinsics:
    middle = (size_px - 1) / 2
    return CameraIntrinsics(size_px, size_px, focal_px, focal_px, middle, middle)
