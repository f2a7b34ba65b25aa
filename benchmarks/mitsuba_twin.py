"""One scene rendered twice: by `defocus_depth.simulation`'s lens sampling and by Mitsuba's `thinlens` camera.

    python benchmarks/mitsuba_twin.py --out DIR

Everything in the scene emits light evenly or through a texture, so that only the optics are compared: geometry,
blur, occlusion at depth edges, texture filtering. Needs `pip install mitsuba` and libLLVM (apt-get install libllvm19).
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import tyro
from pathtracing.renderer import load_mitsuba

from defocus_depth.errors import DefocusDepthError
from defocus_depth.optics import focus_dpt, from_linear
from defocus_depth.simulation.lens_sampling import RayBudget, make_view, render_radiance
from defocus_depth.simulation.rigs import ROBOT, Rig
from defocus_depth.simulation.scene_tables import build_atlas
from defocus_depth.simulation.scenes import Scene
from defocus_depth.simulation.shapes import NO_TEXTURE, Light, Primitive, Shape, Surface, axes_with_normal
from defocus_depth.simulation.textures import TEXTURE_SIZE, make_texture

Picture = npt.NDArray[np.float64]
_EVEN_LIGHT = Light(
    np.array([0.0, 0.0, -1.0]), np.zeros(3), np.zeros(3), np.full(3, 1 / 0.7)
)  # sky alone, from all sides


@dataclass(frozen=True)
class Options:
    """Compare the two renderers."""

    focus_distances_m: tuple[float, ...] = (0.35, 0.5, 1.0, 2.0)
    """Focus distances (m)."""
    width: int = 320
    """Image width (px)."""
    samples: int = 1024
    """Rays per pixel, in both renderers."""
    seed: int = 1
    """Seed of the textures and of both samplers."""
    out: Path | None = None
    """Folder for both pictures and ten times their difference, as PNG."""
    json: Path | None = None
    """File for the figures."""


@dataclass(frozen=True)
class Comparison:
    """How far the two pictures are apart: PSNR (dB, linear light, peak 1) of all pixels and of those near edges."""

    focus_distance_m: float
    psnr_db: float
    edge_psnr_db: float


def main() -> int:
    """Exit code 0, or 2 after one line about what is missing."""
    options = tyro.cli(Options, description=__doc__)
    try:
        mitsuba = load_mitsuba()
    except DefocusDepthError as error:
        print(f"mitsuba_twin: {error}", file=sys.stderr)
        return 2
    rig = ROBOT.at_size(options.width, options.width * 3 // 4)
    scene = twin_scene(options.seed)
    figures = []
    for focus_m in options.focus_distances_m:
        ours = render_ours(scene, rig, focus_m, options.samples, options.seed)
        theirs = render_theirs(mitsuba, scene, rig, focus_m, options.samples, options.seed)
        figures.append(compare(ours, theirs, focus_m))
        print(
            f"focus {focus_m:5.2f} m: PSNR {figures[-1].psnr_db:.1f} dB, near edges {figures[-1].edge_psnr_db:.1f} dB"
        )
        _save(options.out, f"{focus_m:.2f}", ours, theirs)
    if options.json:
        options.json.write_text(json.dumps([vars(figure) for figure in figures], indent=2) + "\n", encoding="utf-8")
    return 0


def twin_scene(seed: int) -> Scene:
    """A textured wall and tilted card, a plain box, ball and pole: depths from 0.45 to 2.5 m."""
    rng = np.random.default_rng(seed)
    textures = [make_texture(rng, family) for family in ("bricks", "glyphs")]
    towards_camera = np.array([0.0, 0.0, -1.0])
    primitives = (
        _sheet(np.array([0.2, 0.1, -1.0]), (0, 0, 2.3), (1.0, 1.0), Surface(0, np.ones(3), 700.0)),
        _sheet(np.array([-0.8, 0.3, -1.0]), (-0.04, 0.02, 0.8), (0.05, 0.04), Surface(1, np.ones(3), 3000.0)),
        _solid(Shape.BOX, np.array([0.5, 0.4, -0.7]), (0.05, 0.03, 0.9), (0.03, 0.02, 0.04), (0.8, 0.5, 0.2)),
        _solid(Shape.SPHERE, towards_camera, (0.0, -0.03, 0.55), (0.015, 0, 0), (0.2, 0.5, 0.9)),
        _solid(Shape.ROD, np.array([0.2, 1.0, 0.15]), (-0.02, 0.0, 0.47), (0.001, 0, 0.02), (0.95, 0.9, 0.85)),
        _solid(Shape.ROD, np.array([1.0, 0.4, 0.3]), (0.02, -0.02, 1.4), (0.0015, 0, 0.1), (0.05, 0.05, 0.05)),
    )
    return Scene("robot", seed, primitives, _EVEN_LIGHT, build_atlas(textures))


def render_ours(scene: Scene, rig: Rig, focus_m: float, samples: int, seed: int) -> Picture:
    """Linear radiance (H, W, 3) by lens sampling."""
    view = make_view(rig.camera, rig.blur_gain_px_per_dpt(focus_m), focus_dpt(focus_m))
    return render_radiance(scene.tables(), rig.camera, view, RayBudget(samples, seed)).astype(np.float64)


def render_theirs(
    mitsuba: Any, scene: Scene, rig: Rig, focus_m: float, samples: int, seed: int, *, aperture_scale: float = 1.0
) -> Picture:
    """Linear radiance (H, W, 3) by Mitsuba; `aperture_scale` ≠ 1 spoils the agreement on purpose."""
    camera = rig.camera
    sensor = {
        "type": "thinlens",
        "aperture_radius": aperture_scale * 0.5 * rig.blur_gain_px_per_dpt(focus_m) / camera.fx,
        "focus_distance": focus_m,
        "fov": float(np.degrees(2 * np.arctan(camera.width / 2 / camera.fx))),
        "fov_axis": "x",
        "near_clip": 1e-3,
        "to_world": mitsuba.ScalarTransform4f().look_at([0, 0, 0], [0, 0, 1], [0, -1, 0]),  # y down
        "film": {
            "type": "hdrfilm",
            "width": camera.width,
            "height": camera.height,
            "pixel_format": "rgb",
            "component_format": "float32",
            "rfilter": {"type": "box"},
        },
        "sampler": {"type": "multijitter"},
    }
    shapes = {}
    for index, primitive in enumerate(scene.primitives):
        for part, shape in enumerate(_shapes(mitsuba, scene, primitive)):
            shapes[f"shape{index}_{part}"] = shape
    world = mitsuba.load_dict({"type": "scene", "integrator": {"type": "path", "max_depth": 1}, **shapes})
    rendered = mitsuba.render(world, sensor=mitsuba.load_dict(sensor), spp=samples, seed=seed)
    return np.asarray(rendered, dtype=np.float64)[..., :3]


def compare(ours: Picture, theirs: Picture, focus_m: float) -> Comparison:
    """PSNR over all pixels, and over those whose surroundings of 5 px change most (the upper tenth)."""
    error = np.square(np.clip(ours, 0, 1) - np.clip(theirs, 0, 1)).mean(axis=2)
    grey = theirs.mean(axis=2).astype(np.float32)
    change = cv2.dilate(grey, np.ones((5, 5))) - cv2.erode(grey, np.ones((5, 5)))
    edges = change >= np.quantile(change, 0.9)
    return Comparison(focus_m, _psnr_db(error.mean()), _psnr_db(error[edges].mean()))


def _psnr_db(mean_square_error: float) -> float:
    return float(-10 * np.log10(mean_square_error))


def _sheet(normal: Picture, centre_m: tuple, half_m: tuple, surface: Surface) -> Primitive:
    return Primitive(
        Shape.SHEET, np.array(centre_m, float), axes_with_normal(normal, 0.3), np.array([*half_m, 0]), surface
    )


def _solid(shape: Shape, axis: Picture, centre_m: tuple, half_m: tuple, colour: tuple) -> Primitive:
    surface = Surface(NO_TEXTURE, np.array(colour))
    return Primitive(shape, np.array(centre_m, float), axes_with_normal(axis, 0.5), np.array(half_m, float), surface)


def _shapes(mitsuba: Any, scene: Scene, primitive: Primitive) -> list[dict[str, Any]]:
    """The primitive as Mitsuba shapes that emit what it reflects under the even light."""
    emitter = {"type": "area", "radiance": _radiance(mitsuba, scene, primitive)}
    half, axis = primitive.half_size_m, primitive.axes[2]
    if primitive.shape == Shape.SPHERE:
        return [{"type": "sphere", "center": list(primitive.centre_m), "radius": half[0], "emitter": emitter}]
    if primitive.shape == Shape.ROD:
        ends = [list(primitive.centre_m + sign * half[2] * axis) for sign in (-1, 1)]
        caps = [{"type": "sphere", "center": end, "radius": half[0], "emitter": emitter} for end in ends]
        return [{"type": "cylinder", "p0": ends[0], "p1": ends[1], "radius": half[0], "emitter": emitter}, *caps]
    matrix = np.eye(4)
    matrix[:3, :3] = primitive.axes.T * (half if primitive.shape == Shape.BOX else [half[0], half[1], 1.0])
    matrix[:3, 3] = primitive.centre_m
    kind = "cube" if primitive.shape == Shape.BOX else "rectangle"
    return [{"type": kind, "to_world": mitsuba.ScalarTransform4f(matrix), "emitter": emitter}]


def _radiance(mitsuba: Any, scene: Scene, primitive: Primitive) -> dict[str, Any]:
    surface = primitive.surface
    if surface.texture == NO_TEXTURE:
        return {"type": "rgb", "value": [float(value) for value in surface.tint]}
    texels = scene.atlas[surface.texture, : TEXTURE_SIZE**2].reshape(TEXTURE_SIZE, TEXTURE_SIZE, 3)
    # A rectangle's (0, 0)…(1, 1) is its (−half, −half)…(half, half); ours is mirrored where its normal is seen.
    repeats = 2 * primitive.half_size_m[:2] * surface.texels_per_m / TEXTURE_SIZE * [-1, 1]
    start = surface.offset_texels / TEXTURE_SIZE - repeats / 2
    to_uv = np.array([[repeats[0], 0, start[0]], [0, repeats[1], start[1]], [0, 0, 1]])
    bitmap = mitsuba.Bitmap(np.ascontiguousarray(texels))
    return {"type": "bitmap", "bitmap": bitmap, "raw": True, "to_uv": mitsuba.ScalarTransform3f(to_uv)}


def _save(folder: Path | None, name: str, ours: Picture, theirs: Picture) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    difference = np.clip(0.5 + 10 * (ours - theirs), 0, 1)
    encoded = [from_linear(np.clip(picture, 0, 1), "srgb") for picture in (ours, theirs)]
    strip = np.hstack([*encoded, difference])[..., ::-1]
    cv2.imwrite(str(folder / f"focus_{name}.png"), np.rint(255 * strip).astype(np.uint8))


if __name__ == "__main__":
    sys.exit(main())
