"""`defocus_depth simulate-bag`: a recording of the simulated focusing camera, without ROS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from tyro.conf import Positional

from ..evaluation.bags.simulated import TOPIC_TYPES, SimulatedRecording, record_simulation
from ..simulation.tour import TourOptions
from .dispatch import EXIT_OK, write_json
from .evaluate_bag import progress_bar


@dataclass(frozen=True)
class Options:
    """What the camera sees and does."""

    out: Positional[Path]
    """Bag to write: a single .mcap file, or a rosbag2 folder for any other name."""
    overwrite: bool = False
    """Replace the bag that is there."""
    frames: int = SimulatedRecording.frames
    """Images."""
    rate_hz: float = SimulatedRecording.rate_hz
    """Images per second (Hz)."""
    focus_distances_m: tuple[float, ...] = ()
    """Focus distance (m, inf allowed); several: a sweep through them at every view; none: the rig's near focus."""
    rig: Literal["robot", "nyu", "macro"] = "robot"
    """Camera and scenes, as those of simulate."""
    width_px: int = TourOptions.width_px
    """Width of the images (px); they are 4:3."""
    scenes: int = TourOptions.scenes
    """Scenes that the camera tours."""
    views_per_scene: int = TourOptions.views_per_scene
    """Views of each scene; the camera swings out and back."""
    samples_per_pixel: int = TourOptions.samples_per_pixel
    """Rays per pixel: 64 is fair, 256 is clean."""
    json: Path | None = None
    """Write what was recorded to this file."""


def run(options: Options) -> int:
    """Record."""
    tour = TourOptions(
        rig=options.rig,
        width_px=options.width_px,
        scenes=options.scenes,
        views_per_scene=options.views_per_scene,
        samples_per_pixel=options.samples_per_pixel,
    )
    recording = SimulatedRecording(options.frames, options.rate_hz, options.focus_distances_m, tour)
    with progress_bar() as bar:
        task = bar.add_task("recording", total=options.frames)
        record_simulation(options.out, recording, lambda done, all: bar.update(task, completed=done), options.overwrite)
    Console(soft_wrap=True).print(f"{options.frames} images in {options.out}: {', '.join(TOPIC_TYPES)}")
    write_json(options.json, {"frames": options.frames, "rate_hz": options.rate_hz, "topics": dict(TOPIC_TYPES)})
    return EXIT_OK
