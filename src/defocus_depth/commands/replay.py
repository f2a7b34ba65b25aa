"""`defocus_depth replay`: play a bag, without rosbag2, into running nodes; or measure the depth node on it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from ..errors import ConfigError
from ..evaluation.bags.options import BagOptions
from ..evaluation.bags.reader import open_bag
from ..evaluation.online import OnlineRun, online_frames
from ..evaluation.playback import Moment, Pace
from ..evaluation.report import Report, ReportHead, ReportTable
from ..evaluation.results import JudgedFrames
from ..evaluation.summary import summary
from ..inference import AUTO, EstimatorConfig
from .dispatch import EXIT_NEGATIVE, EXIT_OK, write_json
from .evaluate import figures_table
from .evaluate_bag import bag_samples, progress_bar
from .online import CLOCK_HZ, NodeChoice, measure_own_node, own_domain, play_measured, playing_bar, ros_module


@dataclass(frozen=True)
class Options:
    """Plain playing: bag, rate, topics. With --image-topic the depth node is measured while the bag is played."""

    bag: Annotated[Path, tyro.conf.Positional]
    """rosbag2 folder, single .mcap or .db3 file, or ROS 1 .bag file."""
    rate: float = Pace.rate
    """Speed: 1 = as recorded."""
    clock_hz: float = Pace.clock_hz
    """Also publish the bag's time on /clock, at least this often (Hz of wall time); 0 = no /clock."""
    topics: tuple[str, ...] = ()
    """Topics to play; none = all (when measuring: images, camera_info and lens state)."""
    remap: tuple[str, ...] = ()
    """Rules FROM:=TO, as in /camera/color/image_raw:=/image."""
    wait_for_subscribers_s: float = 2.0
    """Longest time (s) to wait for a first subscriber before starting."""
    lens: str = ""
    """Lens YAML, or the name of one in config/lenses (macro, nyu, robot): of the node, and for comparing with ground
    truth."""
    node: str = ""
    """Full name (/depth) of a running node to measure; empty: one is started, in a ROS domain of its own."""
    recorded: Annotated[BagOptions, tyro.conf.OmitArgPrefixes] = BagOptions(image_topic="")
    """With --image-topic the depth node is measured on the images of that topic: drops, latency, CPU and memory. After
    the run its depth is compared with the ground truth."""
    model: Path | None = None
    """ONNX model of the node that is started; the shipped one if not given."""
    backend: str = AUTO
    """Inference backend of the node that is started."""
    estimator: Annotated[EstimatorConfig, tyro.conf.OmitArgPrefixes] = field(default_factory=EstimatorConfig)
    min_confidence: float = 0.5
    """Pixels below this confidence (0..1) are left out of the masked figures."""
    report: Path | None = None
    """Write a report of the comparison with ground truth into this folder."""
    json: Path | None = None
    """Write the message counts per topic, or what was measured, to this file."""


def run(options: Options) -> int:
    """Play; then list what was played, or what was measured (1 when no depth map came)."""
    if options.recorded.image_topic:
        return _measure(options)
    pace = Pace(options.rate, options.clock_hz)
    with open_bag(options.bag) as bag, Progress(transient=True) as bar:
        replay = ros_module("replay")
        task = bar.add_task(f"{options.bag.name} at {options.rate:g}x", total=bag.duration_s)

        def show(moment: Moment) -> None:
            bar.update(task, completed=(moment.time_ns - bag.start_ns) * 1e-9)

        settings = replay.ReplaySettings(pace, options.topics, options.remap, options.wait_for_subscribers_s)
        result = replay.replay(bag, settings, show)
    _print_topics(result.published, result.left_out)
    write_json(options.json, {"published": dict(result.published), "left_out": result.left_out})
    return EXIT_OK


def _measure(options: Options) -> int:
    if not options.lens and not options.node:
        raise ConfigError("--lens: expected one for the node that is started (or --node, a running one), got none")
    with ExitStack() as stack:
        measured = _attached(options, stack) if options.node else _started(options, stack)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    figures: dict[str, Any] = {"online": measured.figures()}
    if options.lens and measured.received_ns:
        figures |= _compared(options, measured, console)
    measured.maps.close()
    console.print(online_table(measured))
    write_json(options.json, figures)
    return EXIT_OK if measured.received_ns else EXIT_NEGATIVE


def _started(options: Options, stack: ExitStack) -> OnlineRun:
    scratch = stack.enter_context(own_domain())
    bar = stack.enter_context(playing_bar())
    pace = Pace(options.rate, options.clock_hz or CLOCK_HZ)
    choice = NodeChoice(options.lens, options.model, options.backend, options.estimator)
    return measure_own_node(options.bag, options.recorded, choice, pace, scratch, bar)


def _attached(options: Options, stack: ExitStack) -> OnlineRun:
    bag = stack.enter_context(open_bag(options.bag))
    bar = stack.enter_context(playing_bar())
    recorded = options.recorded
    wanted = (recorded.image_topic, recorded.camera_info_topic, recorded.lens_state_topic)
    topics = options.topics or tuple(topic for topic in wanted if topic)
    settings = ros_module("replay").ReplaySettings(Pace(options.rate, options.clock_hz), topics, options.remap)
    return play_measured(bag, settings, bar, image_topic=recorded.image_topic, node=options.node)


def _compared(options: Options, measured: OnlineRun, console: Console) -> dict[str, Any]:
    """The figures of the maps that came, with evaluate's keys; prints their table."""
    report = Report(options.report) if options.report else None
    with progress_bar() as bar:
        samples = bag_samples(options.bag, options.recorded, options.lens, bar)
        task = bar.add_task("comparing", total=len(measured.received_ns))
        judged = JudgedFrames()
        for result in online_frames(samples, measured, options.min_confidence, report.add if report else None):
            judged.append(result)
            bar.advance(task)
    figures = summary("online", "all that came", judged, options.min_confidence)
    figures |= {"provenance": measured.made_with}
    console.print(figures_table(figures))
    if report:
        rows = [(name, str(value)) for name, value in online_rows(measured).items()]
        table = ReportTable("The depth node, measured over DDS", ("figure", "value"), rows)
        head = ReportHead(f"Replay of {options.bag.resolve().name}", tables=[table])
        console.print(f"report: {report.finish(head, figures)}")
    return figures


def online_rows(measured: OnlineRun) -> dict[str, Any]:
    """What was measured, for people."""
    figures = measured.figures()
    latency = figures["latency_ms"]
    return {
        "images played": figures["images"],
        "depth maps received": figures["results"],
        "dropped": figures["dropped"],
        **{f"left out: {reason}": count for reason, count in figures["left_out"].items()},
        "depth maps per second": _shown(figures["results_per_s"], 1),
        "latency, published to received: median": _shown(latency["median"], 1, " ms"),
        "latency: 95 % below": _shown(latency["p95"], 1, " ms"),
        "latency: 99 % below": _shown(latency["p99"], 1, " ms"),
        "CPU of the node (100 % = one core)": _shown(figures["cpu_percent"], 0, " %"),
        "memory of the node": _shown(figures["rss_mib"], 0, " MiB"),
        "backend": figures["node"].get("backend", ""),
        "model": figures["node"].get("model sha256", "")[:12],
    }


def online_table(measured: OnlineRun) -> Table:
    """The rows of `online_rows`."""
    table = Table(title="the depth node, measured over DDS")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in online_rows(measured).items():
        table.add_row(name, str(value))
    return table


def _shown(value: float | None, digits: int, unit: str = "") -> str:
    return "–" if value is None else f"{value:.{digits}f}{unit}"


def _print_topics(published: dict[str, int], left_out: dict[str, str]) -> None:
    table = Table("topic", "messages", "left out because")
    for topic in sorted({*published, *left_out}):
        table.add_row(topic, str(published.get(topic, 0)), left_out.get(topic, ""))
    Console().print(table)
