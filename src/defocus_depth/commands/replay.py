"""`defocus_depth replay`: play a bag into running nodes, without rosbag2."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ..errors import RosUnavailableError
from ..evaluation.bags.reader import open_bag
from ..evaluation.playback import Moment, Pace
from .dispatch import EXIT_OK, write_json


@dataclass(frozen=True)
class Options:
    bag: Annotated[Path, tyro.conf.Positional]
    """rosbag2 folder, or a single .mcap or .db3 file."""
    rate: float = Pace.rate
    """Speed: 1 = as recorded."""
    clock_hz: float = Pace.clock_hz
    """Also publish the bag's time on /clock, at least this often (Hz of wall time); 0 = no /clock."""
    topics: tuple[str, ...] = ()
    """Topics to play; none = all."""
    remap: tuple[str, ...] = ()
    """Rules FROM:=TO, as in /camera/color/image_raw:=/image."""
    wait_for_subscribers_s: float = 2.0
    """Longest time (s) to wait for a first subscriber before starting."""
    json: Path | None = None
    """Also write the message counts per topic to this file."""


def run(options: Options) -> int:
    """Play, then list what was played."""
    pace = Pace(options.rate, options.clock_hz)
    with open_bag(options.bag) as bag, Progress(transient=True) as bar:
        try:
            from ..ros.replay import ReplaySettings, replay
        except ImportError as error:
            raise RosUnavailableError(f"replay: expected rclpy, {error}: see `defocus_depth doctor`") from error
        task = bar.add_task(f"{options.bag.name} at {options.rate:g}x", total=bag.duration_s)

        def show(moment: Moment) -> None:
            bar.update(task, completed=(moment.time_ns - bag.start_ns) * 1e-9)

        settings = ReplaySettings(pace, options.topics, options.remap, options.wait_for_subscribers_s)
        result = replay(bag, settings, show)
    _print(result.published, result.left_out)
    write_json(options.json, {"published": dict(result.published), "left_out": result.left_out})
    return EXIT_OK


def _print(published: dict[str, int], left_out: dict[str, str]) -> None:
    table = Table("topic", "messages", "left out because")
    for topic in sorted({*published, *left_out}):
        table.add_row(topic, str(published.get(topic, 0)), left_out.get(topic, ""))
    Console().print(table)
