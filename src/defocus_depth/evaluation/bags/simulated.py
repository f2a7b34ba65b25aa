"""A recording of the simulated focusing camera, without ROS: images, camera_info, lens state and exact depth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import ConfigError
from ...optics import focus_dpt
from ...simulation.tour import Tour, TourOptions, cache_folder
from .reader import RecordedMessage, RecordedTopic
from .standard import CAMERA_INFO, IMAGE, JOINT_STATE, camera_info, header, image, lens_state
from .writer import new_bag

TOPIC_TYPES = {
    "/camera_info": CAMERA_INFO,
    "/lens_state": JOINT_STATE,
    "/image": IMAGE,
    "/ground_truth/depth/image": IMAGE,
}
FRAME_ID = "camera_optical_frame"
START_NS = 1_000_000_000_000_000_000  # a recording made twice is the same
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SimulatedRecording:
    """What the camera does.

    Attributes:
        frames: number of images.
        rate_hz: images per second, by their stamps.
        focus_distances_m: one: it stays there (inf allowed); several: it sweeps through them at every view, which
            depth from focus needs; none: the rig's near focus.
        tour: scenes and size.

    Raises:
        ConfigError: a number out of its range.
    """

    frames: int = 100
    rate_hz: float = 30.0
    focus_distances_m: tuple[float, ...] = ()
    tour: TourOptions = TourOptions()

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise ConfigError(f"frames: expected ≥ 1, got {self.frames}")
        if not 0 < self.rate_hz <= 1000:
            raise ConfigError(f"rate_hz: expected above 0 and at most 1000, got {self.rate_hz}")
        if any(math.isnan(focus_m) or focus_m <= 0 for focus_m in self.focus_distances_m):
            raise ConfigError(f"focus_distances_m: expected > 0, inf allowed, got {list(self.focus_distances_m)}")


def record_simulation(
    path: Path,
    recording: SimulatedRecording,
    progress: Progress = lambda done, all: None,
    overwrite: bool = False,
) -> None:
    """Write the recording to a bag (see `new_bag`); views are rendered once and kept in the user's cache folder.

    Args:
        progress: called with the number of images written and their number in all.
        overwrite: see `new_bag`.

    Raises:
        ConfigError: the bag or the cache cannot be written.
        OpticsError: a focus distance inside the focal length.
    """
    tour = Tour(recording.tour, cache_folder())
    foci_m = recording.focus_distances_m or (tour.rig.near_focus_m,)
    for focus_m in foci_m:
        focus_dpt(focus_m, tour.rig.lens)
        tour.rig.blur_gain_px_per_dpt(focus_m)  # refuses a distance inside the focal length
    with new_bag(path, overwrite) as bag:
        for name, kind in TOPIC_TYPES.items():
            bag.add_topic(RecordedTopic(name, kind))
        for index in range(recording.frames):
            for message in _messages(tour, index, foci_m, START_NS + round(index * 1e9 / recording.rate_hz)):
                bag.write(message)
            progress(index + 1, recording.frames)


def _messages(tour: Tour, index: int, foci_m: Sequence[float], stamp_ns: int) -> list[RecordedMessage]:
    view, step = divmod(index, len(foci_m))
    pixels, depth_m = tour.frame(view, foci_m[step])
    head = header(stamp_ns, FRAME_ID)
    contents = {
        "/camera_info": camera_info(head, tour.rig.camera),
        "/lens_state": lens_state(head, foci_m[step]),
        "/image": image(head, pixels, "rgb8"),
        "/ground_truth/depth/image": image(head, depth_m, "32FC1"),
    }
    return [RecordedMessage(topic, stamp_ns, cdr) for topic, cdr in contents.items()]
