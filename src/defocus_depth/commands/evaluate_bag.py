"""`defocus_depth evaluate-bag`: figures against ground truth on the images of a rosbag, without ROS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from tyro.conf import OmitArgPrefixes, Positional

from ..errors import ConfigError
from ..evaluation.bags.evaluation import BagEvaluation, bag_summary
from ..evaluation.bags.method import BagMethod, LoadedMethod, MethodChoice
from ..evaluation.bags.options import BagOptions, OfflineBagOptions
from ..evaluation.bags.outputs import OutputBag, output_bag
from ..evaluation.bags.request import BagRequest
from ..evaluation.bags.samples import BagSamples
from ..evaluation.bags.transforms import read_transforms
from ..evaluation.dataset import Sample
from ..evaluation.methods import Prediction
from ..evaluation.provenance import provenance
from ..evaluation.report import Report, ReportHead
from ..evaluation.results import FrameResult, JudgedFrames
from ..inference import AUTO, EstimatorConfig
from ..messages.lens_setting import LensSetting
from ..optics.lens_file import find_lens, read_lens
from .dispatch import EXIT_OK, write_json
from .evaluate import figures_table


@dataclass(frozen=True)
class Options:
    """Which bag, what is on its topics, and how it is evaluated."""

    bag: Positional[Path]
    """rosbag2 folder, single .mcap or .db3 file, or ROS 1 .bag file."""
    lens: str
    """Lens YAML, or the name of one in config/lenses (macro, nyu, robot)."""
    recorded: Annotated[OfflineBagOptions, OmitArgPrefixes]
    method: BagMethod = "network"
    """network: one image in; constant: the bag's median depth; zhuo_sim: edge blur of one image; over the focus sweeps
    of a static scene, dff_sml: depth from focus, fused: the network's estimates of all frames together."""
    model: Path | None = None
    """ONNX model with its sidecar; the shipped one if not given."""
    backend: str = AUTO
    """Inference backend; auto takes the fastest there is."""
    estimator: Annotated[EstimatorConfig, OmitArgPrefixes] = field(default_factory=EstimatorConfig)
    min_confidence: float = 0.5
    """Pixels below this confidence (0..1) are left out of the masked figures."""
    json: Path | None = None
    """Write the figures to this file: the same bag gives the same bytes."""
    timing_json: Path | None = None
    """Write what took how long (s, ms per frame), and the memory in use (MiB), to this file."""
    report: Path | None = None
    """Write a report with pictures into this folder."""
    out_bag: Path | None = None
    """Write the recording with our topics added to this .mcap file or folder."""
    overwrite: bool = False
    """Replace the bag that --out-bag names; never the recording itself."""


def run(options: Options) -> int:
    """Evaluate, print the table, write JSON, report and bag."""
    rendered = options.recorded.render_defocus
    with ExitStack() as stack:
        # First of all: a name that is taken is told before minutes of reading.
        out_bag = _out_bag(options, stack)
        progress = stack.enter_context(progress_bar())
        samples = bag_samples(options.bag, options.recorded, options.lens, progress, rendered)
        method = LoadedMethod(MethodChoice(options.method, options.model, options.backend, options.estimator))
        predict = method.for_bag(samples)
        report = Report(options.report) if options.report else None
        if out_bag:
            samples.relay = out_bag.relay
        evaluation = BagEvaluation(samples, method, predict, options.min_confidence, _on_frame(report, out_bag))
        judged = JudgedFrames(shown(evaluation, progress))
    if options.recorded.ground_truth_topic:
        judged.check_truth(f"{options.bag}: {options.recorded.ground_truth_topic}")
    tallies = {samples.name: samples.tally}
    made_with = provenance(method.info)
    figures = bag_summary(options.method, judged, options.min_confidence, tallies, made_with, rendered)
    console = Console(markup=False, highlight=False, soft_wrap=True)  # names may hold brackets
    console.print(figures_table(figures))
    write_json(options.json, figures)
    write_json(options.timing_json, evaluation.times.figures(len(judged)))
    notes = remarks(samples, rendered)
    for line in notes:
        console.print(line)
    if out_bag:
        for topic, reason in out_bag.left_out.items():
            console.print(f"{options.out_bag}: without {topic}: {reason}")
    if report:
        console.print(f"report: {report.finish(_head(options, samples, notes), figures)}")
    return EXIT_OK


def _out_bag(options: Options, stack: ExitStack) -> OutputBag | None:
    if options.out_bag is None:
        return None
    return stack.enter_context(output_bag(options.out_bag, options.bag, options.overwrite))


def progress_bar() -> Progress:
    """With the time that is left, on stderr; vanishes when done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn())
    return Progress(*columns, *times, console=Console(stderr=True), transient=True)


def remarks(samples: BagSamples, rendered: bool) -> list[str]:
    """What a reader of the figures must know of how they came about."""
    said = [f"{samples.name}: {what}" for what in (*sorted(samples.aligner.done), *samples.remarks())]
    if rendered:
        said.append(f"{samples.name}: images were sharp; the lens's defocus was rendered into them")
    if samples.tally.left_out:
        said.append(f"{samples.name}: images left out: {samples.tally.words()}")
    return said


def bag_samples(
    bag: Path, options: BagOptions, lens: str, progress: Progress, render_defocus: bool = False
) -> BagSamples:
    """Read a bag for the first time.

    Args:
        lens: lens YAML, or the name of one.
        render_defocus: see `OfflineBagOptions`.

    Raises:
        ConfigError, BagError: the lens, an option or the bag cannot be used.
    """
    if render_defocus and not options.ground_truth_topic:
        raise ConfigError("--render-defocus: expected --ground-truth-topic, got none")
    prepare: dict[str, Any] = {}
    if render_defocus:
        from ..evaluation.bags.rendering import with_rendered_defocus  # its numba takes a second to import

        prepare["prepare"] = with_rendered_defocus
    task = progress.add_task(f"reading {bag.name}", total=None)
    samples = BagSamples(bag, _request(options, lens), lambda message: progress.advance(task), **prepare)
    progress.remove_task(task)
    return samples


def _request(options: BagOptions, lens_name: str) -> BagRequest:
    lens = read_lens(find_lens(lens_name))
    focus_m = lens.near_focus_distance_m if options.focus_distance_m is None else options.focus_distance_m
    transforms = read_transforms(options.extrinsics) if options.extrinsics else ()
    return BagRequest(options, LensSetting(lens.lens, focus_m, lens.near_focus_distance_m), transforms)


def _on_frame(
    report: Report | None, out_bag: OutputBag | None
) -> Callable[[Sample, Prediction, FrameResult], None] | None:
    if report is None and out_bag is None:
        return None

    def see(sample: Sample, prediction: Prediction, result: FrameResult) -> None:
        if report:
            report.add(sample, prediction, result)
        if out_bag:
            out_bag.add(sample, prediction)

    return see


def shown(evaluation: BagEvaluation, progress: Progress) -> Iterator[FrameResult]:
    """The results, with a bar that moves."""
    samples = evaluation.samples
    task = progress.add_task(f"evaluating {samples.name}", total=len(samples))
    for result in evaluation.frames():
        progress.update(task, completed=samples.tally.images)
        yield result
    progress.remove_task(task)


def _head(options: Options, samples: BagSamples, notes: list[str]) -> ReportHead:
    topics = {
        "images": options.recorded.image_topic,
        "ground truth": options.recorded.ground_truth_topic or "none",
        "focus distance": options.recorded.lens_state_topic or f"{samples.request.lens.focus_distance_m:g} m",
    }
    return ReportHead(f"Evaluation of {options.bag.resolve().name}", topics, notes)
