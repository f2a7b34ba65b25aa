"""What `replay` and online scenarios share: a depth node of their own, and a bag played to it."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.progress import Progress

from ..errors import RosUnavailableError
from ..evaluation.bags.options import BagOptions
from ..evaluation.bags.reader import OpenBag, open_bag
from ..evaluation.bags.standard import COMPRESSED_IMAGE
from ..evaluation.online import OnlineRun
from ..evaluation.playback import Moment, Pace
from ..inference import AUTO, EstimatorConfig
from ..optics.lens_file import find_lens

CLOCK_HZ = 100.0  # of /clock, where nobody asks for another rate
_REFRESH_HZ = 4  # of the progress bar: it must not disturb what is measured
_COMPRESSED = "/compressed"


@dataclass(frozen=True)
class NodeChoice:
    """How the depth node is started.

    Attributes:
        lens: lens YAML, or the name of one in config/lenses.
    """

    lens: str
    model: Path | None = None
    backend: str = AUTO
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)


@contextmanager
def own_domain() -> Iterator[Path]:
    """A ROS domain that nobody else hears, for this process and those it starts; gives a scratch folder.

    To be entered before rclpy is imported.

    Raises:
        RosUnavailableError: rclpy cannot be imported.
    """
    from ..ros.domain import reserved_domain
    from ..ros.processes import dds_environment

    with reserved_domain() as domain, tempfile.TemporaryDirectory(prefix="defocus_depth_replay_") as folder:
        environment = dds_environment(domain, Path(folder))
        before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)
        try:
            yield Path(folder)
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def measure_own_node(
    path: Path, bag: BagOptions, choice: NodeChoice, pace: Pace, scratch: Path, progress: Progress
) -> OnlineRun:
    """Start a depth node for the topics of a bag, play the bag to it, stop the node. Inside `own_domain`.

    Raises:
        BagError: the bag cannot be played.
        ProcessError: the node does not become active, or ends.
        RosUnavailableError: rclpy cannot be imported.
    """
    with open_bag(path) as opened:
        topics = tuple(topic for topic in (bag.image_topic, bag.camera_info_topic, bag.lens_state_topic) if topic)
        process = ros_module("processes").NodeProcess(
            "defocus_depth.ros.depth_node",
            node_arguments(opened, bag, choice, pace),
            {},
            scratch / f"{opened.name}.log",
        )
        with process:
            replay = ros_module("replay").ReplaySettings(pace, topics)
            return play_measured(opened, replay, progress, image_topic=bag.image_topic, check=process.check)


def play_measured(bag: OpenBag, replay: Any, progress: Progress, **settings: Any) -> OnlineRun:
    """Play a bag to a node that is running or starting; `settings` as those of `ros.online.OnlineSettings`."""
    online = ros_module("online")
    task = progress.add_task(f"{bag.name} at {replay.pace.rate:g}x: waiting for the node", total=bag.duration_s)

    def show(moment: Moment) -> None:
        done_s = (moment.time_ns - bag.start_ns) * 1e-9
        progress.update(task, completed=done_s, description=f"{bag.name} at {replay.pace.rate:g}x")

    run = online.measure(bag, online.OnlineSettings(replay, **settings), show)
    progress.remove_task(task)
    return run


def playing_bar() -> Progress:
    """Of a bag that is being played."""
    return Progress(transient=True, refresh_per_second=_REFRESH_HZ)


def node_arguments(opened: OpenBag, bag: BagOptions, choice: NodeChoice, pace: Pace) -> list[str]:
    """Command line of a depth node that listens to the bag's topics."""
    kinds = {topic.name: topic.type for topic in opened.topics}
    compressed = kinds.get(bag.image_topic) == COMPRESSED_IMAGE
    given: dict[str, object] = {
        "autostart": True,
        "use_sim_time": bool(pace.clock_hz),
        "lens_file": find_lens(choice.lens).resolve(),
        "backend": choice.backend,
        **dataclasses.asdict(choice.estimator),
        "image_transport": "compressed" if compressed else "raw",
        "lens_state_max_age_s": float(bag.lens_state_max_age_s),
        "transfer": bag.transfer,
        "model": choice.model.resolve() if choice.model else "",
    }
    if bag.focus_distance_m is not None:
        given["focus_distance_m"] = float(bag.focus_distance_m)
    image = bag.image_topic.removesuffix(_COMPRESSED) if compressed else bag.image_topic
    remap = {"image": image, "camera_info": bag.camera_info_topic, "lens_state": bag.lens_state_topic}
    if compressed:  # the node appends the transport; a topic of another name is reached all the same
        remap[f"{image}{_COMPRESSED}"] = bag.image_topic
    rules = [part for name, to in remap.items() if to and name != to for part in ("-r", f"{name}:={to}")]
    return ["--ros-args", *_parameters(given), *rules]


def ros_module(name: str) -> Any:
    """A module of `defocus_depth.ros`.

    Raises:
        RosUnavailableError: rclpy or a message package cannot be imported.
    """
    import importlib

    try:
        return importlib.import_module(f"defocus_depth.ros.{name}")
    except ImportError as error:
        raise RosUnavailableError(f"replay: expected rclpy, {error}: see `defocus_depth doctor`") from error


def _parameters(values: dict[str, object]) -> list[str]:
    arguments = []
    for name, value in values.items():
        if value == "":
            continue
        text = str(value).lower() if isinstance(value, bool) else _yaml(value)
        arguments += ["-p", f"{name}:={text}"]
    return arguments


def _yaml(value: object) -> str:
    """As YAML, in which infinity is .inf, and a path that looks like a number is quoted."""
    if isinstance(value, float):
        return ".inf" if value == float("inf") else repr(value)
    return f"'{value}'" if isinstance(value, Path) else str(value)
