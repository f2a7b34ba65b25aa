"""Synthetic focal stacks as folders, with ground truth: procedural layers, ray-traced rooms, or defocus put into RGB-D.

Stacks depend on their seed alone, and their seeds (`SYNTHESIS_SEEDS`) are apart from those of training's pools.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from defocus_depth.errors import ConfigError, StackError
from defocus_depth.optics import coc_from_inverse_depth, focus_dpt
from defocus_depth.simulation.lens_sampling import RayBudget, render_depth
from defocus_depth.simulation.rendering import render_linear
from defocus_depth.simulation.rgbd import render_defocus
from defocus_depth.simulation.rigs import Rig
from defocus_depth.simulation.scenes import make_scene
from defocus_depth.simulation.seeds import SYNTHESIS_SEEDS
from defocus_depth.simulation.sensor import SensorOptions, expose
from defocus_depth.stacks import write_stack
from defocus_depth.types import FloatArray, FocalStack, Frame

from .gather_blur import disc_spans, gather_blur
from .layered_scene import Layer, LayeredScene, random_scene
from .rgbd_folder import RgbdPair, load_pair
from .textures import Texture

MEAN_SIGNAL = (0.06, 0.5)  # of the first frame, log-uniform: from deep shadow to slight overexposure
SPAN = (0.5, 1.0), (0.03, 0.5)  # nearest 1/d of a scene over the rig's largest; its smallest 1/d over its largest
Rng = np.random.Generator


@dataclass(frozen=True)
class SynthesisRecipe:
    """What every stack of a synthetic data set has in common.

    Attributes:
        rays_share: of the procedural stacks that are ray-traced rooms instead of layers, 0..1.
        photos: linear pictures for the layers' textures beside the generated ones.
        photo_files: the same for the rooms.
    """

    rig: Rig
    rays_share: float = 0.25
    samples_per_pixel: int = 64
    sensor: SensorOptions = field(default_factory=SensorOptions)
    photos: Sequence[Texture] = ()
    photo_files: Sequence[Path] = ()


@dataclass(frozen=True)
class _Pictures:
    """Noiseless frames, linear with 1 = full scale, nearest focus first, and the depth (m) of all of them."""

    frames: Sequence[FloatArray]
    depth_m: FloatArray


def check_seeds(first: int, count: int) -> None:
    """Refuse a range of stacks that leaves the seeds of synthesis.

    Raises:
        ConfigError: it does.
    """
    if first < 0 or count < 1 or first + count > len(SYNTHESIS_SEEDS):
        raise ConfigError(
            f"--seed, --count: expected seed ≥ 0, count ≥ 1 and their sum at most {len(SYNTHESIS_SEEDS)}, "
            f"got {first} and {count}"
        )


def write_procedural_stack(folder: Path, recipe: SynthesisRecipe, seed: int) -> FocalStack:
    """A stack of a new random scene in `folder/<rig>_<kind>_<seed>`, kind `layers` or `rays`.

    Raises:
        StackError: a stack is already there, or the disk refuses.
        ImageError: a photo cannot be read.
    """
    rng = np.random.default_rng(SYNTHESIS_SEEDS.start + seed)
    kind = "rays" if rng.random() < recipe.rays_share else "layers"
    path = _free(folder / f"{recipe.rig.name}_{kind}_{seed:07d}")
    pictures = _ray_traced(rng, recipe, seed) if kind == "rays" else _layered(rng, recipe)
    return _write(path, recipe, pictures, {"generator": kind, "seed": seed, "seed_range": "synthesis"}, rng)


def write_rgbd_stack(folder: Path, recipe: SynthesisRecipe, pair: RgbdPair, seed: int) -> FocalStack:
    """The pair as the rig's lens would have seen it, in `folder/<source>_<number>`; `seed` is that of the noise.

    The camera is the pair's own, at the rig's width: blur comes from the rig, geometry from the pair.

    Raises:
        ImageError: the pair cannot be read.
        StackError: a stack is already there, or the disk refuses.
    """
    path = _free(folder / pair.name)
    width = recipe.rig.camera.width
    radiance, depth_m, camera = load_pair(pair, width)
    rig = dataclasses.replace(recipe.rig, camera=camera)
    frames = [render_defocus(radiance, depth_m, focus_m, rig.lens) for focus_m in rig.sweep_m]
    facts = {"generator": "rgbd", "rgbd_source": pair.source, "rgbd_file": pair.colour.name, "seed": seed}
    rng = np.random.default_rng([SYNTHESIS_SEEDS.start + seed, 1])
    return _write(path, dataclasses.replace(recipe, rig=rig), _Pictures(frames, depth_m), facts, rng)


def _free(path: Path) -> Path:
    if (path / "stack.json").exists():  # before seconds of rendering
        raise StackError(f"{path}: expected a folder without a stack, got one that holds stack.json")
    return path


def _ray_traced(rng: Rng, recipe: SynthesisRecipe, seed: int) -> _Pictures:
    scene = make_scene(recipe.rig, SYNTHESIS_SEEDS.start + seed, recipe.photo_files)
    budgets = [RayBudget(recipe.samples_per_pixel, int(s)) for s in rng.integers(0, 2**31, len(recipe.rig.sweep_m))]
    frames = [
        render_linear(scene, recipe.rig, focus_m, budget)
        for focus_m, budget in zip(recipe.rig.sweep_m, budgets, strict=True)
    ]
    return _Pictures(frames, render_depth(scene.tables(), recipe.rig.camera))


def _layered(rng: Rng, recipe: SynthesisRecipe) -> _Pictures:
    """Layers whose inverse depth is in dioptres: the scene's recipe knows ratios only."""
    rig, camera = recipe.rig, recipe.rig.camera
    nearest = float(rng.uniform(*SPAN[0])) / rig.depth_min_m
    farthest = max(nearest * math.exp(rng.uniform(*np.log(SPAN[1]))), 1 / rig.depth_max_m)
    margin = _margin_px(rig, (nearest, farthest))
    size = max(camera.width, camera.height) + 2 * margin
    scene = random_scene(rng, size, (nearest, farthest), recipe.photos)
    scene = _cropped(scene, camera.height + 2 * margin, camera.width + 2 * margin)
    frames = [_through_lens(scene, rig, focus_m, margin) for focus_m in rig.sweep_m]
    gain = math.exp(rng.uniform(*np.log(MEAN_SIGNAL))) / max(float(frames[0].mean()), 1e-3)
    depth_m = (1 / scene.inverse_depth_px[margin:-margin, margin:-margin]).astype(np.float32)
    return _Pictures([frame * np.float32(gain) for frame in frames], depth_m)


def _margin_px(rig: Rig, near_far_dpt: tuple[float, float]) -> int:
    """Half of the largest blur in the sweep: that far outside the picture light comes from."""
    cocs = [
        abs(coc_from_inverse_depth(dpt, rig.blur_gain_px_per_dpt(focus_m), focus_dpt(focus_m, rig.lens)))
        for focus_m in rig.sweep_m
        for dpt in near_far_dpt
    ]
    return math.ceil(max(cocs) / 2) + 2


def _cropped(scene: LayeredScene, height: int, width: int) -> LayeredScene:
    """The middle of a square scene."""
    top, left = (scene.inverse_depth_px.shape[0] - height) // 2, (scene.inverse_depth_px.shape[1] - width) // 2
    inside = slice(top, top + height), slice(left, left + width)
    layers = tuple(
        Layer(np.ascontiguousarray(layer.rgba[inside]), np.ascontiguousarray(layer.inverse_depth_px[inside]))
        for layer in scene.layers
    )
    return LayeredScene(layers, scene.inverse_depth_px[inside])


def _through_lens(scene: LayeredScene, rig: Rig, focus_m: float, margin: int) -> FloatArray:
    gain, focus = rig.blur_gain_px_per_dpt(focus_m), focus_dpt(focus_m, rig.lens)
    picture = np.zeros((rig.camera.height, rig.camera.width, 3), np.float32)
    for layer in scene.layers:
        coc_px = np.asarray(coc_from_inverse_depth(layer.inverse_depth_px, gain, focus), np.float32)
        blurred = gather_blur(layer.rgba, coc_px, disc_spans(), margin)
        picture = picture * (1 - blurred[..., 3:]) + blurred[..., :3]
    return picture


def _write(path: Path, recipe: SynthesisRecipe, pictures: _Pictures, facts: dict[str, Any], rng: Rng) -> FocalStack:
    seeds = rng.integers(0, 2**31, len(pictures.frames))
    images = [expose(frame, recipe.sensor, int(seed)) for frame, seed in zip(pictures.frames, seeds, strict=True)]
    frames = tuple(Frame(f"{index:03d}.png", focus_m) for index, focus_m in enumerate(recipe.rig.sweep_m))
    source = {"kind": "synthesized", "rig": recipe.rig.name, **facts}
    meta = FocalStack(path, frames, recipe.rig.lens, recipe.rig.camera, source=source)
    return write_stack(path, meta, images, pictures.depth_m)
