"""Simulated focal stacks as folders, like those that a real camera's capture writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import StackError
from ..stacks import write_stack
from ..types import FocalStack, Frame
from .rendering import RenderOptions, render_stack
from .rigs import Rig
from .scenes import make_scene
from .seeds import seed_range_name


@dataclass(frozen=True)
class StackRecipe:
    """What every stack of a data set has in common.

    Attributes:
        focus_distances_m: in any order, inf allowed; empty: the rig's own sweep.
        photos: pictures used as textures beside the generated ones.
    """

    rig: Rig
    focus_distances_m: tuple[float, ...] = ()
    photos: Sequence[Path] = ()
    options: RenderOptions = RenderOptions()


def write_scene_stack(folder: Path, recipe: StackRecipe, seed: int) -> FocalStack:
    """Render the scene of `seed` at every focus distance into `folder/<rig>_<seed>`, with exact depth.

    Raises:
        StackError: a stack is already there, or the disk refuses.
        OpticsError: a focus distance inside the focal length.
        ConfigError: a seed out of range.
        ImageError: a photo cannot be read.
    """
    path = folder / f"{recipe.rig.name}_{seed:08d}"
    if (path / "stack.json").exists():  # before minutes of rendering
        raise StackError(f"{path}: expected a folder without a stack, got one that holds stack.json")
    meta = stack_metadata(path, recipe, seed)
    scene = make_scene(recipe.rig, seed, recipe.photos)
    frames = render_stack(scene, recipe.rig, [frame.focus_distance_m for frame in meta.frames], recipe.options)
    return write_stack(path, meta, [frame.image for frame in frames], frames[0].depth_m)


def stack_metadata(path: Path, recipe: StackRecipe, seed: int) -> FocalStack:
    """What `stack.json` says of the scene of `seed`: frames nearest focus first, and where they come from."""
    foci_m = sorted(recipe.focus_distances_m or recipe.rig.sweep_m)
    return FocalStack(
        path=path,
        frames=tuple(Frame(f"{index:03d}.png", focus_m) for index, focus_m in enumerate(foci_m)),
        lens=recipe.rig.lens,
        camera=recipe.rig.camera,
        source={
            "kind": "simulated",
            "rig": recipe.rig.name,
            "seed": seed,
            "seed_range": seed_range_name(seed),
            "samples_per_pixel": recipe.options.samples_per_pixel,
            "photos": len(recipe.photos),
        },
    )
