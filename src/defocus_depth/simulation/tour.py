"""A camera that tours procedural scenes: views along a path through each, rendered ahead and kept on disk.

Rendering ahead makes a simulated camera cheap to run. The files lie in the user's cache folder under a hash of
everything that they depend on, so a second run finds them and a changed renderer or rig does not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import ConfigError
from ..types import FloatArray
from .backdrops import half_view
from .compiled import source_digest
from .rendering import RenderOptions, render_frame
from .rigs import Rig, find_rig
from .scenes import Scene, make_scene
from .seeds import CAMERA_SEEDS
from .shapes import Pose, pose_looking

# The path in shares of the view, small enough that depths stay in the rig's range (backdrops' margins).
_PAN, _MOST_PAN_RAD, _TILT, _SHIFT, _DOLLY = 0.15, 0.02, 0.08, 0.06, 0.008
_KEPT_TOURS = 6  # on disk: older ones make room
_KEPT_VIEWS = 128  # in memory, of those rendered on demand: a whole tour of the usual size
_KEPT_SCENES = 2

Progress = Callable[[int, int], None]
View = tuple[npt.NDArray[np.uint8], FloatArray]


@dataclass(frozen=True)
class TourOptions:
    """Which scenes are visited and how they are rendered.

    Attributes:
        width_px: of the pictures, 4:3.
        views_per_scene: pictures of a scene in a row; the camera swings out and back, so half of them are rendered.
        first_seed: counted from the simulated camera's own seeds, which no training uses.

    Raises:
        ConfigError: fewer than one of something.
    """

    rig: str = "robot"
    width_px: int = 640
    scenes: int = 8
    views_per_scene: int = 25
    first_seed: int = 0
    samples_per_pixel: int = 32

    def __post_init__(self) -> None:
        for name in ("width_px", "scenes", "views_per_scene", "samples_per_pixel"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected at least 1, got {getattr(self, name)}")

    @property
    def places(self) -> int:
        """Different views of one scene."""
        return self.views_per_scene // 2 + 1

    def place(self, index: int) -> int:
        """Which of all `scenes` x `places` views picture `index` shows; indices go round."""
        scene, step = divmod(index % (self.scenes * self.views_per_scene), self.views_per_scene)
        return scene * self.places + min(step, self.views_per_scene - step)

    def make_rig(self) -> Rig:
        """The rig at the pictures' size."""
        rig = find_rig(self.rig)
        return rig.at_size(self.width_px, self.width_px * rig.camera.height // rig.camera.width)


class Tour:
    """The pictures of a tour, scene after scene."""

    def __init__(self, options: TourOptions, folder: Path) -> None:
        self.options, self.rig, self._folder = options, options.make_rig(), folder
        self._stored: dict[float, View] = {}
        self._scene = _locked(lru_cache(_KEPT_SCENES)(self._make_scene))
        self._rendered = lru_cache(_KEPT_VIEWS)(self._render)

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
            _forget_old(self._folder)
        for path in (images, depths):
            with suppress(OSError):  # somebody else's cache
                os.utime(path)
        self._stored[focus_distance_m] = (np.load(images, mmap_mode="r"), np.load(depths, mmap_mode="r"))

    def frame(self, index: int, focus_distance_m: float, scale: float = 1.0) -> View:
        """Picture uint8 (H, W, 3) RGB and depth float32 (H, W) m; rendered now unless it was prepared.

        Args:
            scale: of the image about its centre (focus breathing); the blur in px is the lens's all the same.
        """
        place, stored = self.options.place(index), self._stored.get(focus_distance_m)
        if stored and scale == 1.0:
            return stored[0][place], stored[1][place]
        return self._rendered(place, focus_distance_m, scale)

    def _render_all(self, focus_distance_m: float, images: Path, depths: Path, progress: Progress | None) -> None:
        height, width = self.rig.camera.height, self.rig.camera.width
        partial = [path.with_suffix(f".{os.getpid()}.partial") for path in (images, depths)]
        count = self.options.scenes * self.options.places
        pool = ThreadPoolExecutor(os.cpu_count() or 1)
        try:
            image_file = np.lib.format.open_memmap(partial[0], "w+", np.uint8, (count, height, width, 3))
            depth_file = np.lib.format.open_memmap(partial[1], "w+", np.float32, (count, height, width))
            views = pool.map(lambda place: self._render(place, focus_distance_m, 1.0), range(count))
            for place, view in enumerate(views):
                image_file[place], depth_file[place] = view
                if progress:
                    progress(place + 1, count)
            image_file.flush()
            depth_file.flush()
            for path, final in zip(partial, (images, depths), strict=True):
                path.replace(final)
        finally:
            pool.shutdown(cancel_futures=True)
            for path in partial:
                path.unlink(missing_ok=True)

    def _render(self, place: int, focus_distance_m: float, scale: float) -> View:
        number, step = divmod(place, self.options.places)
        seen = self._scene(number).seen_from(path_pose(step, self.options.places, self.rig))
        options = RenderOptions(self.options.samples_per_pixel, seed=self.options.first_seed + place)
        frame = render_frame(seen, breathing(self.rig, scale), focus_distance_m, options)
        return frame.image, frame.depth_m

    def _make_scene(self, number: int) -> Scene:
        return make_scene(self.rig, CAMERA_SEEDS.start + self.options.first_seed + number)

    def _key(self, focus_distance_m: float) -> str:
        about = repr((source_digest(), self.options, self.rig, focus_distance_m))
        return hashlib.sha256(about.encode()).hexdigest()[:16]


def path_pose(step: int, steps: int, rig: Rig) -> Pose:
    """Where the camera is on its way from left to right, slow at both ends: it pans, tilts, shifts and dollies."""
    way = 0.5 if steps < 2 else 0.5 - 0.5 * np.cos(np.pi * step / (steps - 1))
    across, wave = 2 * way - 1, np.sin(2 * np.pi * way)
    half_x, half_y = half_view(rig)
    pan_rad, tilt_rad = min(_PAN * half_x, _MOST_PAN_RAD) * across, min(_TILT * half_y, _MOST_PAN_RAD) * wave
    position_m = rig.depth_min_m * np.array([_SHIFT * half_x * across, 0.0, _DOLLY * wave])
    return pose_looking(pan_rad, tilt_rad, position_m)


def breathing(rig: Rig, scale: float) -> Rig:
    """The rig with its image magnified by `scale` about the principal point; blur gain and size stay."""
    camera = rig.camera
    return dataclasses.replace(rig, camera=dataclasses.replace(camera, fx=camera.fx * scale, fy=camera.fy * scale))


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/defocus_depth` or `~/.cache/defocus_depth` (XDG base directory specification)."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "defocus_depth"


def _forget_old(folder: Path) -> None:
    """Delete the tours that were not used for longest."""
    newest_first = sorted(folder.glob("tour-*.images.npy"), key=lambda path: path.stat().st_mtime, reverse=True)
    for images in newest_first[_KEPT_TOURS:]:
        images.with_name(images.name.replace(".images.", ".depths.")).unlink(missing_ok=True)
        images.unlink(missing_ok=True)


def _locked(function: Callable[[int], Scene]) -> Callable[[int], Scene]:
    """The function, called by one thread at a time: two that want one scene make it once."""
    lock = threading.Lock()

    def call(number: int) -> Scene:
        with lock:
            return function(number)

    return call
