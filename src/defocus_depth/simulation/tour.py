"""A camera that tours procedural scenes: views along a path through each, rendered ahead and kept on disk.

Rendering ahead makes a simulated camera cheap to run. The files lie in the user's cache folder under a hash of
everything that they depend on, so a second run finds them and a changed renderer or rig does not.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..types import FloatArray
from .rendering import RenderOptions, SimulatedFrame, render_frame
from .rigs import RIGS, Rig
from .scenes import Scene, make_scene
from .seeds import CAMERA_SEEDS
from .shapes import Pose

_VERSION = 1  # of the pictures: raise it when the renderer, scenes or path change
_PAN_DEG, _TILT_DEG, _SHIFT = 1.6, 0.9, 0.012
_THREADS = 2

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TourOptions:
    """Which scenes are visited and how they are rendered.

    Attributes:
        width_px: of the pictures, 4:3.
        views_per_scene: along a closed path; the last view is next to the first.
        first_seed: counted from the simulated camera's own seeds, which no training uses.
    """

    rig: str = "robot"
    width_px: int = 640
    scenes: int = 8
    views_per_scene: int = 25
    first_seed: int = 0
    samples_per_pixel: int = 48

    @property
    def frames(self) -> int:
        """Views in all."""
        return self.scenes * self.views_per_scene

    def make_rig(self) -> Rig:
        """The rig at the pictures' size."""
        rig = RIGS[self.rig]
        return rig.at_size(self.width_px, self.width_px * rig.camera.height // rig.camera.width)


class Tour:
    """The views of a tour, in order: scene after scene; view indices go round."""

    def __init__(self, options: TourOptions, folder: Path) -> None:
        self.options, self.rig, self._folder = options, options.make_rig(), folder
        self._scenes: dict[int, Scene] = {}
        self._stored: dict[float, tuple[npt.NDArray[np.uint8], FloatArray]] = {}

    def prepare(self, focus_distance_m: float, progress: Progress | None = None) -> None:
        """Have every view at this focus (m) on disk; `progress` gets views done and views in all.

        Raises:
            OSError: the cache folder cannot be written.
        """
        name = self._folder / f"tour-{self._key(focus_distance_m)}"
        images, depths = name.with_suffix(".images.npy"), name.with_suffix(".depths.npy")
        if not (images.exists() and depths.exists()):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._render_all(focus_distance_m, images, depths, progress)
        self._stored[focus_distance_m] = (np.load(images, mmap_mode="r"), np.load(depths, mmap_mode="r"))

    def frame(self, index: int, focus_distance_m: float) -> tuple[npt.NDArray[np.uint8], FloatArray]:
        """Picture uint8 (H, W, 3) RGB and depth float32 (H, W) m of a view; rendered now unless it was prepared."""
        view = index % self.options.frames
        if stored := self._stored.get(focus_distance_m):
            return stored[0][view], stored[1][view]
        rendered = self._render(view, focus_distance_m)
        return rendered.image, rendered.depth_m

    def _render_all(self, focus_distance_m: float, images: Path, depths: Path, progress: Progress | None) -> None:
        height, width = self.rig.camera.height, self.rig.camera.width
        partial = [path.with_suffix(f".{os.getpid()}.partial") for path in (images, depths)]
        count = self.options.frames
        image_file = np.lib.format.open_memmap(partial[0], "w+", np.uint8, (count, height, width, 3))
        depth_file = np.lib.format.open_memmap(partial[1], "w+", np.float32, (count, height, width))
        with ThreadPoolExecutor(_THREADS) as pool:
            rendered = pool.map(lambda view: self._render(view, focus_distance_m), range(count))
            for view, frame in enumerate(rendered):
                image_file[view], depth_file[view] = frame.image, frame.depth_m
                if progress:
                    progress(view + 1, count)
        image_file.flush()
        depth_file.flush()
        for path, final in zip(partial, (images, depths), strict=True):
            path.replace(final)

    def _render(self, view: int, focus_distance_m: float) -> SimulatedFrame:
        scene = self._scene(view // self.options.views_per_scene)
        seen = scene.seen_from(path_pose(view % self.options.views_per_scene, self.options.views_per_scene, self.rig))
        options = RenderOptions(self.options.samples_per_pixel, seed=self.options.first_seed + view)
        return render_frame(seen, self.rig, focus_distance_m, options)

    def _scene(self, number: int) -> Scene:
        if number not in self._scenes:
            self._scenes[number] = make_scene(self.rig, CAMERA_SEEDS.start + self.options.first_seed + number)
        return self._scenes[number]

    def _key(self, focus_distance_m: float) -> str:
        about = repr((_VERSION, self.options, self.rig, focus_distance_m))
        return hashlib.sha256(about.encode()).hexdigest()[:16]


def path_pose(step: int, steps: int, rig: Rig) -> Pose:
    """Where the camera is at a step of its closed path: it pans, tilts and shifts by a share of its nearest depth."""
    phase = 2 * np.pi * step / max(1, steps)
    pan, tilt = np.radians(_PAN_DEG) * np.sin(phase), np.radians(_TILT_DEG) * np.sin(2 * phase)
    shift = _SHIFT * rig.depth_min_m
    position = np.array([shift * np.sin(phase), shift * (1 - np.cos(phase)) / 2, 0.0])
    about_y = np.array([[np.cos(pan), 0, -np.sin(pan)], [0, 1, 0], [np.sin(pan), 0, np.cos(pan)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), np.sin(tilt)], [0, -np.sin(tilt), np.cos(tilt)]])
    return Pose(about_x @ about_y, position)


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/defocus_depth` or `~/.cache/defocus_depth` (XDG base directory specification)."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "defocus_depth"
