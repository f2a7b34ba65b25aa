"""Mitsuba 3 as the judge: real rays through a finite aperture, multiple bounces, exact depth.

Camera frame: x right, y down, z forward (REP 103 optical); the entrance pupil is the origin.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from defocus_depth.errors import ConfigError
from defocus_depth.types import CameraIntrinsics

from .meshes import Mesh
from .textures import TextureBox

_PATH_LENGTH = 4  # light, and two bounces between it and what the camera sees
_PATHS_PER_PASS = 5_000_000  # need about half a gigabyte
_VARIANT = "llvm_ad_rgb"


@dataclass(frozen=True)
class Material:
    """What a surface is made of.

    Attributes:
        texture_seed: what its texture is drawn from, once the scene is accepted.
        texel_m: metres of surface that one texel covers.
        kind: `diffuse`, `plastic` or `metal`.
        roughness: Beckmann alpha of plastic and metal.
    """

    texture_seed: int
    texel_m: float
    kind: str = "diffuse"
    roughness: float = 0.2


@dataclass(frozen=True)
class Surface:
    """A mesh in the camera frame and its material."""

    mesh: Mesh
    material: Material


@dataclass(frozen=True)
class Light:
    """A mesh that emits `radiance` (3,) evenly."""

    mesh: Mesh
    radiance: npt.NDArray[np.float64]


@dataclass(frozen=True)
class SceneDescription:
    """Everything that a picture shows, in the camera frame.

    `environment` is the radiance from all around, float32 (H, W, 3), latitude by longitude; None: black.
    """

    surfaces: list[Surface]
    lights: list[Light]
    environment: npt.NDArray[np.float32] | None = None
    notes: dict[str, Any] = field(default_factory=dict)


def load_mitsuba(threads: int = 2) -> Any:
    """The mitsuba module, set to its LLVM variant and `threads` threads.

    Raises:
        ConfigError: Mitsuba or libLLVM is missing.
    """
    if "DRJIT_LIBLLVM_PATH" not in os.environ:
        os.environ["DRJIT_LIBLLVM_PATH"] = str(_newest_llvm())
    try:
        import drjit
        import mitsuba
    except ImportError as error:
        raise ConfigError(f"expected the Python package mitsuba (pip install mitsuba): {error}") from error
    mitsuba.set_variant(_VARIANT)
    drjit.set_thread_count(threads)
    return mitsuba


def _newest_llvm() -> Path:
    folders = [
        Path(name) for name in ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib")
    ]
    found = {path.resolve() for folder in folders for path in folder.glob("libLLVM*.so*")}
    if not found:
        raise ConfigError("expected libLLVM.so (apt-get install libllvm19, or set DRJIT_LIBLLVM_PATH), found none")
    return max(found, key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)])


def pinhole_depth_m(mitsuba: Any, scene: SceneDescription, camera: CameraIntrinsics) -> npt.NDArray[np.float32]:
    """z (H, W) of the surface behind each pixel's centre, seen through a pinhole; NaN where there is none.

    Needs geometry only, so that unsuitable scenes are refused before their textures are made.
    """
    meshes = [surface.mesh for surface in scene.surfaces] + [light.mesh for light in scene.lights]
    shapes = {f"shape{i}": _shape(mitsuba, mesh, 1.0, {}) for i, mesh in enumerate(meshes)}
    geometry = mitsuba.load_dict({"type": "scene", **shapes})
    column, row = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    x, y = (column.ravel() - camera.cx) / camera.fx, (row.ravel() - camera.cy) / camera.fy
    # The direction has z = 1, so that the ray's parameter is depth along the optical axis, not distance.
    direction = mitsuba.Vector3f(x.astype(np.float32), y.astype(np.float32), 1.0)
    hit = geometry.ray_intersect_preliminary(mitsuba.Ray3f(mitsuba.Point3f(0.0), direction))
    depth_m = np.asarray(hit.t, dtype=np.float32).reshape(camera.height, camera.width)
    return np.where(np.isfinite(depth_m), depth_m, np.float32(np.nan))


class Renderer:
    """One scene inside Mitsuba, pictured by one pinhole geometry through any aperture and focus.

    Args:
        mitsuba: what `load_mitsuba` returned.
        scene: the scene, metres.
        camera: pinhole intrinsics with square pixels and a centred principal point.
        textures: where materials get their bitmaps.
    """

    def __init__(
        self, mitsuba: Any, scene: SceneDescription, camera: CameraIntrinsics, textures: TextureBox | None = None
    ) -> None:
        self._mi, self._camera, self._textures = mitsuba, camera, textures or TextureBox()
        items = {f"surface{i}": self._surface(surface) for i, surface in enumerate(scene.surfaces)}
        items |= {f"light{i}": self._light(light) for i, light in enumerate(scene.lights)}
        if scene.environment is not None:
            bitmap = mitsuba.Bitmap(np.ascontiguousarray(scene.environment))
            upright = mitsuba.ScalarTransform4f().rotate([1, 0, 0], 180)  # Mitsuba's zenith is +y, ours −y
            items["environment"] = {"type": "envmap", "bitmap": bitmap, "to_world": upright}
        self._scene = mitsuba.load_dict(
            {"type": "scene", "integrator": {"type": "path", "max_depth": _PATH_LENGTH}, **items}
        )

    def picture(
        self, aperture_diameter_m: float, focus_distance_m: float, spp: int, seed: int
    ) -> npt.NDArray[np.float64]:
        """Mean radiance (H, W, 3) over each pixel and the aperture disc (0: pinhole); `spp` paths per pixel."""
        sensor = self._sensor(aperture_diameter_m, focus_distance_m)
        passes = math.ceil(spp * self._camera.width * self._camera.height / _PATHS_PER_PASS)
        per_pass = math.ceil(spp / passes)
        total = sum(
            np.asarray(
                self._mi.render(self._scene, sensor=sensor, spp=per_pass, seed=seed * 1000 + number), dtype=np.float64
            )
            for number in range(passes)
        )
        return np.asarray(total)[..., :3] / passes

    def _sensor(self, aperture_diameter_m: float, focus_distance_m: float) -> Any:
        camera = self._camera
        lens: dict[str, Any] = {"type": "perspective"}
        if aperture_diameter_m > 0:
            lens = {"type": "thinlens", "aperture_radius": aperture_diameter_m / 2, "focus_distance": focus_distance_m}
        return self._mi.load_dict(
            {
                **lens,
                "fov": float(np.degrees(2 * np.arctan(camera.width / 2 / camera.fx))),
                "fov_axis": "x",
                "near_clip": 1e-3,
                "to_world": self._mi.ScalarTransform4f().look_at([0, 0, 0], [0, 0, 1], [0, -1, 0]),
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
        )

    def _surface(self, surface: Surface) -> Any:
        texture = self._textures.draw(np.random.default_rng(surface.material.texture_seed))
        bsdf = _bsdf(self._mi, surface.material, texture)
        repeats_per_m = 1 / (surface.material.texel_m * len(texture))
        return _shape(self._mi, surface.mesh, repeats_per_m, {"mesh_bsdf": bsdf})

    def _light(self, light: Light) -> Any:
        radiance = {"type": "rgb", "value": [float(v) for v in light.radiance]}
        emitter = self._mi.load_dict({"type": "area", "radiance": radiance})
        black = self._mi.load_dict({"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.0}})
        return _shape(self._mi, light.mesh, 1.0, {"mesh_emitter": emitter, "mesh_bsdf": black})


def _shape(mitsuba: Any, mesh: Mesh, repeats_per_m: float, parts: dict[str, Any]) -> Any:
    """A Mitsuba shape of `mesh`; `parts` are its BSDF and emitter."""
    properties = mitsuba.Properties()
    for name, part in parts.items():
        properties[name] = part
    shape = mitsuba.Mesh(
        "mesh",
        vertex_count=len(mesh.vertices),
        face_count=len(mesh.triangles),
        has_vertex_normals=mesh.smooth,
        has_vertex_texcoords=True,
        props=properties,
    )
    values = mitsuba.traverse(shape)
    values["vertex_positions"] = mesh.vertices.astype(np.float32).ravel()
    values["faces"] = mesh.triangles.astype(np.uint32).ravel()
    values["vertex_texcoords"] = (mesh.uv * [repeats_per_m, -repeats_per_m]).astype(np.float32).ravel()
    values.update()
    return shape


def _bsdf(mitsuba: Any, material: Material, texture: npt.NDArray[np.float32]) -> Any:
    bitmap = {"type": "bitmap", "bitmap": mitsuba.Bitmap(np.ascontiguousarray(texture)), "raw": True}
    inner: dict[str, Any] = {"type": "diffuse", "reflectance": bitmap}
    if material.kind == "plastic":
        inner = {"type": "roughplastic", "diffuse_reflectance": bitmap, "alpha": material.roughness}
    elif material.kind == "metal":
        inner = {"type": "roughconductor", "specular_reflectance": bitmap, "alpha": material.roughness}
    return mitsuba.load_dict({"type": "twosided", "nested": inner})
