"""Path-traced focal stacks: an independent yardstick for depth from defocus.

    python benchmarks/path_traced.py OUT --count 16 --seed 1 --rig robot

The networks learn from this project's own procedural renderer; these stacks come from Mitsuba 3 and from scenes that
share no code with it. Needs `pip install mitsuba` and libLLVM (apt-get install libllvm19). Each stack gets,
beside schema 1's files, `sharp.png`: the same scene through a pinhole, without sensor noise (to tell textured from
textureless pixels).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import tyro
from pathtracing.renderer import Renderer, SceneDescription, load_mitsuba, pinhole_depth_m
from pathtracing.rigs import RIGS, Rig
from pathtracing.scenes import SceneMaker
from pathtracing.sensor import metered
from pathtracing.textures import TextureBox
from rich.progress import track

from defocus_depth.errors import DefocusDepthError
from defocus_depth.stacks import write_stack
from defocus_depth.types import FocalStack, Frame

_MOST_ATTEMPTS = 60
_LEAST_SPREAD = 0.25  # of the rig's range of inverse depth, between the 5th and 95th percentile of a picture
_SHARP = "sharp.png"


@dataclass(frozen=True)
class Options:
    """Write path-traced focal stacks with exact depth."""

    out: Annotated[Path, tyro.conf.Positional]
    """Folder that gets one folder per stack."""
    count: int = 16
    """Number of stacks."""
    seed: int = 1
    """Same seed, same scenes; every stack depends on the seed and its own number only."""
    rig: Literal["robot", "macro", "nyu"] = "robot"
    """Camera, focus sweep and range of depths."""
    spp: int = 256
    """Light paths per pixel."""
    threads: int = 2
    """Threads that trace."""
    photos: Path | None = None
    """Folder of photographs that some surfaces wear; without it all textures are generated."""


def main() -> int:
    """Exit code 0, or 2 after one line about bad input."""
    try:
        run(tyro.cli(Options, description=__doc__))
    except DefocusDepthError as error:
        print(f"path_traced: {error}", file=sys.stderr)
        return 2
    return 0


def run(options: Options) -> None:
    """Write all stacks of `options`."""
    mitsuba = load_mitsuba(options.threads)
    rig, textures = RIGS[options.rig], TextureBox(options.photos)
    for number in track(range(options.count), description=f"{rig.name} stacks"):
        write_one(mitsuba, rig, textures, options, number)


def write_one(mitsuba: Any, rig: Rig, textures: TextureBox, options: Options, number: int) -> None:
    """Draw, render and write stack `number`; a finished one is left as it is."""
    path = options.out / f"{rig.name}_{options.seed}_{number:03d}"
    if (path / "stack.json").exists():
        return
    rng = np.random.default_rng([options.seed, number, sorted(RIGS).index(rig.name)])
    scene, depth_m = acceptable_scene(mitsuba, rig, rng)
    renderer = Renderer(mitsuba, scene, rig.camera, textures)
    sensor = metered(renderer.picture(0, 1.0, max(options.spp // 2, 1), 0), rng)
    # Twice the paths: what noise is left must not pass for texture.
    sharp = sensor.develop_noiseless(renderer.picture(0, 1.0, 2 * options.spp, len(rig.foci_m) + 1))
    images = [
        sensor.develop(renderer.picture(rig.aperture_diameter_m(focus_m), focus_m, options.spp, index + 1), rng)
        for index, focus_m in enumerate(rig.foci_m)
    ]
    frames = tuple(Frame(f"{i:03d}.png", focus_m) for i, focus_m in enumerate(rig.foci_m))
    source = {
        "generator": "benchmarks/path_traced.py",
        "renderer": f"mitsuba {mitsuba.__version__}, path tracing, {options.spp} spp",
        "rig": rig.name,
        "seed": options.seed,
        "number": number,
        "exposure": sensor.exposure,
        "full_scale_e": sensor.full_scale_e,
        "read_noise_e": sensor.read_noise_e,
        "sharp": _SHARP,
        **scene.notes,
    }
    stack = FocalStack(path, frames, rig.lens, rig.camera, ground_truth_depth="depth.npy", source=source)
    path.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path / _SHARP), cv2.cvtColor(sharp, cv2.COLOR_RGB2BGR))
    write_stack(path, stack, images, depth_m)


def acceptable_scene(
    mitsuba: Any, rig: Rig, rng: np.random.Generator
) -> tuple[SceneDescription, npt.NDArray[np.float32]]:
    """The first scene drawn from `rng` that fills the picture, stays in the rig's depths and spreads over them.

    Raises:
        RuntimeError: none of many draws did: the layouts do not suit the rig.
    """
    maker = SceneMaker(rig, rng)
    for _ in range(_MOST_ATTEMPTS):
        scene = maker.make()
        depth_m = pinhole_depth_m(mitsuba, scene, rig.camera)
        if _accepted(depth_m, rig):
            return scene, depth_m
    raise RuntimeError(
        f"rig {rig.name}: expected a scene within {rig.near_m}–{rig.far_m} m in {_MOST_ATTEMPTS} draws, got none"
    )


def _accepted(depth_m: npt.NDArray[np.float32], rig: Rig) -> bool:
    if not (np.isfinite(depth_m).all() and rig.near_m <= depth_m.min() and depth_m.max() <= rig.far_m):
        return False
    far_dpt, near_dpt = np.percentile(1 / depth_m, [5, 95])
    return bool(near_dpt - far_dpt >= _LEAST_SPREAD * (1 / rig.near_m - 1 / rig.far_m))


if __name__ == "__main__":
    sys.exit(main())
