"""`defocus_depth simulate`: focal stacks of procedural scenes, with exact depth."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.progress import track
from tyro.conf import OmitArgPrefixes, Positional

from ..errors import ConfigError
from ..simulation.folders import StackRecipe, write_scene_stack
from ..simulation.rendering import RenderOptions
from ..simulation.rigs import BASE_WIDTH_PX, find_rig
from ..simulation.seeds import check_shown
from ..simulation.sensor import SensorOptions
from ..simulation.textures import find_photos
from .dispatch import EXIT_OK, write_json


@dataclass(frozen=True)
class Options:
    """How many stacks, of what, and how well rendered."""

    out: Positional[Path]
    """Folder to write the stacks into, one folder each."""
    count: int = 20
    """Number of scenes."""
    seed: int = 0
    """Seed of the first scene; the others follow. Those of 10000000 and more are training's."""
    rig: str = "robot"
    """Camera and scenes. robot: 8 mm f/1.4, 0.4-3 m; nyu: 50 mm f/8, 0.7-10 m; macro: 12 mm f/8, 0.13-0.6 m; or a
    YAML file like config/rigs/robot.yaml."""
    photos: Path | None = None
    """Folder of pictures to use as textures too."""
    width: int = BASE_WIDTH_PX
    """Image width (px); the view stays the same, 4:3."""
    focus_distances_m: tuple[float, ...] = ()
    """Focus distances (m, inf allowed); the rig's own sweep if not given."""
    samples_per_pixel: int = RenderOptions.samples_per_pixel
    """Rays per pixel: 64 is fair, 256 is clean."""
    sensor: Annotated[SensorOptions, OmitArgPrefixes] = field(default_factory=SensorOptions)
    threads: int = 0
    """Frames rendered at the same time; 0 = one per core."""
    json: Path | None = None
    """Write what was made to this file."""


def run(options: Options) -> int:
    """Write the stacks."""
    recipe = _recipe(options)
    seeds = range(options.seed, options.seed + options.count)
    check_shown(seeds)  # before anything is rendered
    console = Console(stderr=True)
    start_s = time.monotonic()
    for seed in track(seeds, "rendering focal stacks", console=console, transient=True):
        write_scene_stack(options.out, recipe, seed)
    frames = len(recipe.focus_distances_m or recipe.rig.sweep_m)
    console.print(f"{options.count} stacks of {frames} frames in {options.out}")
    figures = {
        "stacks": options.count,
        "frames_per_stack": frames,
        "first_seed": options.seed,
        "rig": recipe.rig.name,
        "width": recipe.rig.camera.width,
        "height": recipe.rig.camera.height,
        "seconds": round(time.monotonic() - start_s, 2),
    }
    write_json(options.json, figures)
    return EXIT_OK


def _recipe(options: Options) -> StackRecipe:
    if options.count < 1:
        raise ConfigError(f"--count: expected ≥ 1, got {options.count}")
    rig = find_rig(options.rig)
    rig = rig.at_size(options.width, options.width * rig.camera.height // rig.camera.width)
    render = RenderOptions(
        options.samples_per_pixel, options.seed, options.sensor, options.threads or os.cpu_count() or 1
    )
    photos = find_photos(options.photos) if options.photos else ()
    return StackRecipe(rig, options.focus_distances_m, photos, render)
