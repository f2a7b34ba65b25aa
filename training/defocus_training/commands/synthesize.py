"""`defocus_training synthesize`: synthetic focal stacks with ground truth, as folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.progress import track
from tyro.conf import OmitArgPrefixes, Positional

from defocus_depth.commands.dispatch import EXIT_OK, write_json
from defocus_depth.errors import ConfigError
from defocus_depth.simulation.rigs import BASE_WIDTH_PX, find_rig
from defocus_depth.simulation.sensor import SensorOptions
from defocus_depth.simulation.textures import find_photos
from defocus_depth.types import FocalStack
from defocus_training.data.pool import load_photos
from defocus_training.data.rgbd_folder import find_pairs
from defocus_training.data.synthesis import (
    SynthesisRecipe,
    check_seeds,
    write_procedural_stack,
    write_rgbd_stack,
)

PROCEDURAL_COUNT = 20


@dataclass(frozen=True)
class Options:
    """How many stacks, of what, and where."""

    out: Positional[Path]
    """Folder to write the stacks into, one folder each."""
    count: int | None = None
    """Number of stacks; 20 if not given, with --rgbd every pair there is."""
    seed: int = 0
    """Seed of the first stack; the others follow. No seed here is one of a training pool's."""
    rig: str = "robot"
    """Lens, focus distances, view and depths: robot, nyu (DEReD's protocol), macro, or a YAML file like
    config/rigs/robot.yaml."""
    width: int = BASE_WIDTH_PX
    """Image width (px); the view stays the same."""
    photos: Path | None = None
    """Folder of pictures to use as textures too."""
    rgbd: Path | None = None
    """Folder of registered colour and depth pictures (rgb/, depth/ in 16-bit mm, meta.json), or a folder of such:
    defocus is rendered into them instead of into procedural scenes."""
    rays_share: float = SynthesisRecipe.rays_share
    """Share (0..1) of procedural stacks that are ray-traced rooms instead of layers."""
    samples_per_pixel: int = SynthesisRecipe.samples_per_pixel
    """Rays per pixel of those."""
    sensor: Annotated[SensorOptions, OmitArgPrefixes] = field(default_factory=SensorOptions)
    json: Path | None = None
    """Write what was made to this file."""


def run(options: Options) -> int:
    """Write the stacks, with a progress bar."""
    makers = _makers(options, _recipe(options))
    console = Console(stderr=True)
    stacks = [make() for make in track(makers, "synthesizing", console=console, transient=True)]
    console.print(f"{len(stacks)} stacks of {len(stacks[0].frames)} frames in {options.out}")
    figures = {
        "stacks": len(stacks),
        "frames_per_stack": len(stacks[0].frames),
        "rig": stacks[0].source["rig"],
        "first_seed": options.seed,
        "by_generator": _counts(str(stack.source["generator"]) for stack in stacks),
        "by_rgbd_source": _counts(stack.source["rgbd_source"] for stack in stacks if "rgbd_source" in stack.source),
    }
    write_json(options.json, figures)
    return EXIT_OK


def _recipe(options: Options) -> SynthesisRecipe:
    if not 0 <= options.rays_share <= 1:
        raise ConfigError(f"--rays-share: expected 0..1, got {options.rays_share}")
    rig = find_rig(options.rig)
    return SynthesisRecipe(
        rig.at_size(options.width, options.width * rig.camera.height // rig.camera.width),
        options.rays_share,
        options.samples_per_pixel,
        options.sensor,
        load_photos(options.photos),
        find_photos(options.photos) if options.photos else (),
    )


def _makers(options: Options, recipe: SynthesisRecipe) -> list[Callable[[], FocalStack]]:
    if options.rgbd is None:
        count = PROCEDURAL_COUNT if options.count is None else options.count
        check_seeds(options.seed, count)
        seeds = range(options.seed, options.seed + count)
        return [partial(write_procedural_stack, options.out, recipe, seed) for seed in seeds]
    pairs = find_pairs(options.rgbd)[: options.count]
    check_seeds(options.seed, len(pairs))
    return [
        partial(write_rgbd_stack, options.out, recipe, pair, options.seed + index) for index, pair in enumerate(pairs)
    ]


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names))
