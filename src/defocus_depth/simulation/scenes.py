"""Procedural scenes: a backdrop that closes every line of sight, and objects at depths all over the rig's range.

Everything is laid out in what the camera sees (directions and dioptres), so that one recipe fills a
narrow macro view and a wide room alike. A scene is fixed by (rig, seed, photos).
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..types import FloatArray
from .backdrops import Backdrop, make_backdrop
from .lens_sampling import RayBudget, make_view, render_radiance
from .objects import make_object
from .rigs import Rig
from .scene_tables import SceneTables, build_atlas, build_tables
from .shapes import NO_TEXTURE, Light, Pose, Primitive, Surface, moved, moved_light
from .textures import make_texture, random_colour, random_photo

FEWEST_OBJECTS, MOST_OBJECTS = 6, 16
TEXTURES_PER_SCENE = 7
PHOTO_SHARE = 0.6  # of the textures, where photos are given
PLAIN_SHARE = 0.22  # of the objects: no texture at all
REFERENCE_WIDTH_PX = 640  # texel sizes are chosen for pictures of this width
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True)
class Scene:
    """Primitives and light in the frame of the camera that looks at them.

    Attributes:
        exposure: sensor signal (1 = full scale) per unit of radiance, fixed for the scene like a locked exposure.
    """

    rig_name: str
    seed: int
    primitives: tuple[Primitive, ...]
    light: Light
    atlas: FloatArray
    exposure: float = 1.0

    def tables(self) -> SceneTables:
        """The scene as arrays for the compiled kernels."""
        return build_tables(self.primitives, self.light, self.atlas)

    def seen_from(self, pose: Pose) -> Scene:
        """The same scene as a camera at `pose` sees it."""
        primitives = tuple(moved(primitive, pose) for primitive in self.primitives)
        return dataclasses.replace(self, primitives=primitives, light=moved_light(self.light, pose))


def make_scene(rig: Rig, seed: int, photos: Sequence[Path] = ()) -> Scene:
    """The scene of `seed`: every pixel's depth lies within the rig's range.

    Args:
        photos: pictures to use as textures beside the generated ones.

    Raises:
        ImageError: a photo cannot be read.
    """
    rng = np.random.default_rng([zlib.crc32(rig.name.encode()), seed])
    backdrop = make_backdrop(rng, rig)
    objects = _make_objects(rng, rig, backdrop)
    return furnish(rng, rig, seed, (*backdrop.primitives, *objects), photos)


def furnish(
    rng: np.random.Generator, rig: Rig, seed: int, bare: Sequence[Primitive], photos: Sequence[Path] = ()
) -> Scene:
    """The scene of `bare` primitives in the camera's frame, with surfaces, light and exposure drawn from `rng`.

    Raises:
        ImageError: a photo cannot be read.
    """
    primitives = [_dressed(rng, rig, primitive) for primitive in bare]
    scene = Scene(rig.name, seed, tuple(primitives), _make_light(rng), build_atlas(_make_textures(rng, photos)))
    return dataclasses.replace(scene, exposure=_metered_exposure(rng, scene, rig))


def _make_objects(rng: np.random.Generator, rig: Rig, backdrop: Backdrop) -> list[Primitive]:
    """Objects whose nearness (in dioptres, between the backdrop and the near limit) is spread evenly."""
    count = int(rng.integers(FEWEST_OBJECTS, MOST_OBJECTS + 1))
    nearness = (rng.permutation(count) + rng.random(count)) / count
    crowding = rng.uniform(0.8, 1.8)  # 1: uniform in dioptres, many near; 2: more of them far
    return [make_object(rng, rig, backdrop, float(share**crowding)) for share in nearness]


def _make_textures(rng: np.random.Generator, photos: Sequence[Path]) -> list[FloatArray]:
    use_photo = rng.random(TEXTURES_PER_SCENE) < (PHOTO_SHARE if photos else 0.0)
    return [random_photo(rng, photos) if photo else make_texture(rng) for photo in use_photo]


def _dressed(rng: np.random.Generator, rig: Rig, primitive: Primitive) -> Primitive:
    """The primitive with a surface: texels about as large as a pixel where it is, or a plain colour."""
    plain_share = PLAIN_SHARE if primitive.is_finite else 0.5 * PLAIN_SHARE
    if rng.random() < plain_share:
        return dataclasses.replace(primitive, surface=Surface(NO_TEXTURE, random_colour(rng).astype(np.float64)))
    pixel_m = primitive.centre_m[2] / (rig.camera.fx * REFERENCE_WIDTH_PX / rig.camera.width)
    surface = Surface(
        int(rng.integers(TEXTURES_PER_SCENE)),
        rng.uniform(0.6, 1.0) * rng.uniform(0.85, 1.0, 3),
        1 / (pixel_m * rng.uniform(0.7, 1.6)),
        rng.uniform(0, 512, 2),
    )
    return dataclasses.replace(primitive, surface=surface)


def _make_light(rng: np.random.Generator) -> Light:
    """A lamp somewhere on the camera's side and a sky, both of a slight colour; together about 1 on a white wall."""
    direction = np.array([rng.uniform(-1, 1), rng.uniform(-1, 0.5), -rng.uniform(0.25, 1.2)])
    sky_share = rng.uniform(0.25, 0.7)
    warmth = rng.uniform(-0.12, 0.12)
    colour = np.array([1 + warmth, 1.0, 1 - warmth])
    return Light(
        direction / np.linalg.norm(direction), np.array([0.0, -1.0, 0.0]), (1 - sky_share) * colour, sky_share / colour
    )


def _metered_exposure(rng: np.random.Generator, scene: Scene, rig: Rig) -> float:
    """Exposure that brings the mean to a mid grey, more or less, without burning out much of the picture."""
    width = 64
    small = rig.at_size(width, width * rig.camera.height // rig.camera.width)
    pinhole = make_view(small.camera, 0.0, 0.0)
    luminance = render_radiance(scene.tables(), small.camera, pinhole, RayBudget(8, scene.seed)) @ _LUMINANCE
    mid_grey = rng.uniform(0.15, 0.38)
    return float(min(mid_grey / luminance.mean(), 1.2 / max(1e-6, np.quantile(luminance, 0.97))))
