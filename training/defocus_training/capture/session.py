"""Several scenes in a row into one folder; run again, it goes on where it was interrupted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from defocus_depth.errors import ConfigError, StackError
from defocus_depth.stacks.schema import STACK_FILE
from defocus_depth.types import CameraIntrinsics, FocalStack, ImageArray

from .coverage import CoveragePicture
from .devices import CapturedImage, CaptureRig
from .journal import UNFINISHED, TakenFrame
from .measures import linear_pixels
from .scene import OnFrame, SceneRecipe, capture_scene

COVERAGE_FILE = "coverage.png"
_SPARE_BYTES = 64 * 2**20
_NOMINAL_FOCAL_WIDTHS = 1.2  # of an uncalibrated camera, about 45° across


@dataclass(frozen=True)
class SessionHooks:
    """What a session asks of and tells to whoever runs it.

    Attributes:
        before_scene: (number, name): the robot is moved now; not called for a scene that was interrupted.
        on_frame: every frame as it is taken or found.
    """

    before_scene: Callable[[int, str], None]
    on_frame: OnFrame


def capture_session(
    rig: CaptureRig, recipe: SceneRecipe, out: Path, scenes: int, hooks: SessionHooks
) -> Iterator[FocalStack]:
    """Take stacks `scene_000` … into `out` until there are `scenes` of them; yields each new one.

    Raises:
        DeviceError, StackError: see `capture_scene`; finished scenes and frames stay, and the next run goes on.
    """
    labels = [_label(recipe, position) for position in recipe.positions]
    coverage = CoveragePicture(out / COVERAGE_FILE, labels)

    def on_frame(frame: TakenFrame, pixels: ImageArray) -> None:
        step = frame.step % len(recipe.positions)  # the last step repeats the first
        coverage.add(step, linear_pixels(pixels, recipe.transfer))
        hooks.on_frame(frame, pixels)

    for number in range(scenes):
        path = out / f"scene_{number:03d}"
        if (path / STACK_FILE).exists():
            continue
        if rig.show_scene:
            rig.show_scene(number)
        elif not (out / UNFINISHED / path.name).exists():
            hooks.before_scene(number, path.name)
        check_disk_space(out, recipe)
        coverage.begin()
        yield capture_scene(rig, recipe, path, on_frame)


def check_disk_space(out: Path, recipe: SceneRecipe) -> None:
    """Refuse to begin a scene that does not fit.

    Raises:
        StackError: less room than a scene needs at most, while it is taken and once it is finished, or no folder.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(f"{out}: expected a folder that can be written, got {error}") from error
    sample_bytes = 2 if recipe.options.frames_per_step > 1 else 1
    frame_bytes = recipe.camera.width * recipe.camera.height * 3 * sample_bytes
    needed = 2 * len(recipe.steps) * frame_bytes + _SPARE_BYTES
    free = shutil.disk_usage(out).free
    if free < needed:
        raise StackError(f"{out}: expected {needed / 2**20:.0f} MiB free for a scene, got {free / 2**20:.0f} MiB")


def session_camera(
    rig: CaptureRig, known: CameraIntrinsics | None, picture: CapturedImage
) -> tuple[CameraIntrinsics, str]:
    """Intrinsics at the size of the camera's pictures, and where they come from.

    Args:
        known: of the lens file; else the camera's own, else nominal ones.
        picture: one of the camera.

    Raises:
        ConfigError: the known intrinsics are of another aspect ratio.
    """
    height, width = picture.pixels.shape[:2]
    origin = "lens file" if known else "camera"
    camera = known or rig.camera.intrinsics()
    if camera is None:
        focal_px = _NOMINAL_FOCAL_WIDTHS * width
        nominal = CameraIntrinsics(width, height, focal_px, focal_px, (width - 1) / 2, (height - 1) / 2)
        return nominal, "nominal: not calibrated"
    if not np.isclose(camera.width * height, camera.height * width, rtol=0.01):
        raise ConfigError(
            f"camera intrinsics ({origin}): expected the aspect ratio of {width}x{height}, "
            f"got {camera.width}x{camera.height}"
        )
    return (camera if camera.width == width else camera.scaled(width, height)), origin


def _label(recipe: SceneRecipe, position: float) -> str:
    return f"{recipe.scale.distance_m(position):.2g}m" if recipe.scale.metric else f"{position:g}"
