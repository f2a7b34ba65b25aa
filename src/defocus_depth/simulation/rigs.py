"""The simulated cameras: a lens, its intrinsics, the depths its scenes fill and the foci it visits."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field

from ..checked_input import CHECKED, CameraFields, Positive, read_yaml
from ..errors import ConfigError, OpticsError
from ..optics import blur_gain_px_per_dpt, focus_dpt, focus_sweep_m, resized
from ..optics.lens_file import LensFile, read_lens
from ..types import CameraIntrinsics, LensParameters

BASE_WIDTH_PX, BASE_HEIGHT_PX = 320, 240


@dataclass(frozen=True)
class Rig:
    """A camera and the scenes in front of it.

    Attributes:
        depth_min_m, depth_max_m: every pixel of every scene lies between these, metres along z.
        near_focus_m: focus nearer than (or at the near edge of) the scenes: the network's input frame.
        sweep_m: focus distances of a focal stack, nearest first.
    """

    name: str
    lens: LensParameters
    camera: CameraIntrinsics
    depth_min_m: float
    depth_max_m: float
    near_focus_m: float
    sweep_m: tuple[float, ...]

    def at_size(self, width: int, height: int) -> Rig:
        """The same lens and view with another pixel grid (finer or coarser pitch).

        Raises:
            ConfigError: the aspect ratio would change: pixels would no longer be square.
        """
        if width < 1 or height < 1 or width * self.camera.height != height * self.camera.width:
            raise ConfigError(
                f"rig {self.name} size: expected the aspect ratio {self.camera.width}:{self.camera.height}, "
                f"got {width}x{height}"
            )
        return dataclasses.replace(
            self, lens=resized(self.lens, width / self.camera.width), camera=self.camera.scaled(width, height)
        )

    def blur_gain_px_per_dpt(self, focus_distance_m: float) -> float:
        """Blur gain G (px per dpt, for this rig's image width) when focused at `focus_distance_m`."""
        return blur_gain_px_per_dpt(self.lens, focus_dpt(focus_distance_m, self.lens), self.camera.width)


def _camera(focal_px: float) -> CameraIntrinsics:
    centre_x, centre_y = (BASE_WIDTH_PX - 1) / 2, (BASE_HEIGHT_PX - 1) / 2
    return CameraIntrinsics(BASE_WIDTH_PX, BASE_HEIGHT_PX, focal_px, focal_px, centre_x, centre_y)


def _lens(focal_length_m: float, f_number: float, pixel_pitch_m: float) -> LensParameters:
    return LensParameters(focal_length_m, f_number, pixel_pitch_m, image_width_px=BASE_WIDTH_PX)


# Geometry and blur of `robot` and `macro` are one physical camera: fx = f/p.
ROBOT = Rig(
    name="robot",
    lens=_lens(8e-3, 1.4, 6e-6),
    camera=_camera(8e-3 / 6e-6),
    depth_min_m=0.4,
    depth_max_m=3.0,
    near_focus_m=0.35,
    sweep_m=(0.35, 0.45, 0.65, 1.0, 1.8),
)
# DEReD's protocol (arXiv 2303.10752) renders this lens's blur into NYUv2's own view, whose focal length is
# 518.86 px at 640. It scores depths of 0.1 to 10 m; NYUv2's Kinect sees nothing nearer than 0.7 m.
NYU = Rig(
    name="nyu",
    lens=_lens(50e-3, 8.0, 12e-6),
    camera=_camera(518.86 / 2),
    depth_min_m=0.7,
    depth_max_m=10.0,
    near_focus_m=1.0,
    sweep_m=(1.0, 1.5, 2.5, 4.0, 6.0),
)
MACRO = Rig(
    name="macro",
    lens=_lens(12e-3, 8.0, 5e-6),
    camera=_camera(12e-3 / 5e-6),
    depth_min_m=0.13,
    depth_max_m=0.6,
    near_focus_m=0.12,
    sweep_m=tuple(focus_sweep_m(0.12, 0.6, 5)),
)
RIGS = {rig.name: rig for rig in (ROBOT, NYU, MACRO)}


def find_rig(name: str) -> Rig:
    """The rig called `name`, or the one that the YAML file `name` describes (`read_rig`).

    Raises:
        ConfigError: no such rig, or a file that describes none.
    """
    if name.endswith((".yaml", ".yml")):
        return read_rig(Path(name))
    if name not in RIGS:
        raise ConfigError(f"rig: expected one of {', '.join(RIGS)} or a YAML file, got {name!r}")
    return RIGS[name]


class _RigFields(BaseModel):
    model_config = CHECKED
    name: str | None = None
    lens: Path
    camera: CameraFields
    depth_min_m: Positive
    depth_max_m: Positive
    sweep_m: tuple[Positive, ...] = Field(min_length=2)


def read_rig(path: Path) -> Rig:
    """The rig in a YAML file, like those of config/rigs; `lens` names a lens YAML, relative to the file.

    Raises:
        ConfigError: no such file, not YAML, or values no rig can have: names file, field, expected, actual.
    """
    fields = read_yaml(path, _RigFields, "rig YAML")
    lens_file = read_lens(path.parent / fields.lens)
    _check_rig(path, fields, lens_file)
    return Rig(
        name=fields.name or path.stem,
        lens=lens_file.lens,
        camera=fields.camera.to_camera(),
        depth_min_m=fields.depth_min_m,
        depth_max_m=fields.depth_max_m,
        near_focus_m=lens_file.near_focus_distance_m or fields.sweep_m[0],
        sweep_m=fields.sweep_m,
    )


def _check_rig(path: Path, fields: _RigFields, lens_file: LensFile) -> None:
    if not fields.depth_min_m < fields.depth_max_m:
        raise ConfigError(
            f"{path}: depth_max_m: expected more than depth_min_m = {fields.depth_min_m}, got {fields.depth_max_m}"
        )
    if list(fields.sweep_m) != sorted(fields.sweep_m):
        raise ConfigError(f"{path}: sweep_m: expected the nearest distance first, got {list(fields.sweep_m)}")
    try:
        focus_dpt(fields.sweep_m[0], lens_file.lens)
    except OpticsError as error:
        raise ConfigError(f"{path}: sweep_m: {error}") from error
