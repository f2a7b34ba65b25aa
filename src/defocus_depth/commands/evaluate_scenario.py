"""`defocus_depth evaluate-scenario`: recordings against the conditions of a release; exit code 0 or 1 says which."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from tyro.conf import OmitArgPrefixes, Positional

from ..errors import DefocusDepthError
from ..evaluation.bags.evaluation import BagEvaluation, bag_summary
from ..evaluation.bags.method import LoadedMethod, MethodChoice
from ..evaluation.bags.samples import Tally
from ..evaluation.online import online_frames
from ..evaluation.playback import Pace
from ..evaluation.provenance import provenance
from ..evaluation.report import Report, ReportHead, ReportTable
from ..evaluation.results import FrameResult, JudgedFrames
from ..evaluation.run import OnFrame
from ..evaluation.scenarios.conditions import Judge, Verdict
from ..evaluation.scenarios.frame_log import FrameLog, frame_log, verdict_line
from ..evaluation.scenarios.junit import write_junit
from ..evaluation.scenarios.schema import Scenario, ScenarioBag, read_scenario
from ..inference import EstimatorConfig
from .dispatch import EXIT_NEGATIVE, EXIT_OK, write_json
from .evaluate_bag import bag_samples, progress_bar, remarks, shown
from .online import CLOCK_HZ, NodeChoice, measure_own_node, own_domain

_NOT_DROPPED = ("no_ground_truth", "lens_travelling")


@dataclass(frozen=True)
class Options:
    """Which scenario, and where its outcome goes."""

    scenario: Positional[Path]
    """Scenario YAML: bags, topics, lens, conditions."""
    estimator: Annotated[EstimatorConfig, OmitArgPrefixes] = field(default_factory=EstimatorConfig)
    junit: Path | None = None
    """Write the verdict as JUnit XML to this file."""
    frames: Path | None = None
    """Write a JSON line per frame (Result, Stamp, Frame) to this file."""
    json: Path | None = None
    """Write the figures of all bags, with the keys of evaluate, to this file."""
    report: Path | None = None
    """Write a report with pictures into this folder."""


@dataclass
class Outcome:
    """What came of a scenario, filled bag by bag.

    Attributes:
        errors: by bag name why it could not be evaluated; "" where it could.
    """

    judge: Judge
    log: FrameLog | None = None
    on_frame: OnFrame | None = None
    judged: JudgedFrames = field(default_factory=JudgedFrames)
    tallies: dict[str, Tally] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    made_with: dict[str, str | None] = field(default_factory=provenance)

    def take(self, result: FrameResult) -> None:
        """A frame."""
        self.judge.add(result)
        self.judged.append(result)
        if self.log:
            self.log.add(result)

    def finish(self, name: str, tally: Tally, remarks: list[str]) -> None:
        """A bag."""
        dropped = sum(count for kind, count in tally.left_out.items() if kind not in _NOT_DROPPED)
        self.judge.count(tally.images, dropped)
        self.tallies[name] = tally
        self.remarks += remarks


Evaluate = Callable[[ScenarioBag, Outcome, Progress], None]


def run(options: Options) -> int:
    """Evaluate all bags, print and write the verdict; 1 if a condition does not hold or a bag cannot be evaluated."""
    started = time.monotonic()
    scenario = read_scenario(options.scenario)
    report = Report(options.report) if options.report else None
    with ExitStack() as stack:
        progress = stack.enter_context(progress_bar())
        outcome = Outcome(Judge(scenario.conditions), on_frame=report.add if report else None)
        if options.frames:
            outcome.log = stack.enter_context(frame_log(options.frames, scenario, outcome.judge))
        evaluate = _online(scenario, options, stack) if scenario.mode == "online" else _offline(scenario, options)
        for bag in scenario.bags:
            _guarded(bag, lambda bag=bag: evaluate(bag, outcome, progress), outcome)
        if outcome.log:
            outcome.log.end(outcome.errors)
    verdicts = outcome.judge.verdicts()
    if options.junit:
        write_junit(options.junit, scenario.name, outcome.errors, verdicts, time.monotonic() - started)
    rendered = any(bag.render_defocus for bag in scenario.bags)
    figures = bag_summary(
        scenario.method, outcome.judged, scenario.min_confidence, outcome.tallies, outcome.made_with, rendered
    )
    write_json(options.json, figures)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    _print(console, scenario, verdicts, outcome)
    if report:
        console.print(f"report: {report.finish(_head(scenario, verdicts, outcome), figures)}")
    return EXIT_OK if verdict_line(verdicts, outcome.errors)["Success"] else EXIT_NEGATIVE


def _offline(scenario: Scenario, options: Options) -> Evaluate:
    choice = MethodChoice(scenario.method, scenario.model, scenario.backend, options.estimator)
    method = LoadedMethod(choice)

    def evaluate(bag: ScenarioBag, outcome: Outcome, progress: Progress) -> None:
        samples = bag_samples(bag.path, bag, scenario.lens, progress, bag.render_defocus)
        predict = method.for_bag(samples)
        evaluation = BagEvaluation(samples, method, predict, scenario.min_confidence, outcome.on_frame)
        for result in shown(evaluation, progress):
            outcome.take(result)
        outcome.finish(samples.name, samples.tally, remarks(samples, bag.render_defocus))
        outcome.made_with = provenance(method.info)

    return evaluate


def _online(scenario: Scenario, options: Options, stack: ExitStack) -> Evaluate:
    scratch = stack.enter_context(own_domain())
    choice = NodeChoice(scenario.lens, scenario.model, scenario.backend, options.estimator)

    def evaluate(bag: ScenarioBag, outcome: Outcome, progress: Progress) -> None:
        run = measure_own_node(bag.path, bag, choice, Pace(scenario.rate, CLOCK_HZ), scratch, progress)
        samples = bag_samples(bag.path, bag, scenario.lens, progress)
        for result in online_frames(samples, run, scenario.min_confidence, outcome.on_frame):
            outcome.take(result)
        run.maps.close()
        tally = Tally(run.images, len(run.received_ns), Counter(run.left_out | {"dropped": run.dropped}))
        outcome.finish(samples.name, tally, remarks(samples, rendered=False))
        outcome.made_with = run.made_with

    return evaluate


def _guarded(bag: ScenarioBag, evaluate: Callable[[], None], outcome: Outcome) -> None:
    """A bag that cannot be evaluated fails the scenario; the other bags are evaluated all the same."""
    name = bag.path.resolve().stem
    outcome.errors[name] = ""
    try:
        evaluate()
    except DefocusDepthError as error:
        outcome.errors[name] = str(error)
        outcome.tallies.setdefault(name, Tally())
        print(f"defocus_depth evaluate-scenario: {error}", file=sys.stderr)


def _print(console: Console, scenario: Scenario, verdicts: list[Verdict], outcome: Outcome) -> None:
    table = Table(title=f"{scenario.name}: {len(outcome.judged)} frames of {len(scenario.bags)} bags")
    table.add_column("condition")
    table.add_column("measured", justify="right")
    table.add_column("")
    for verdict in verdicts:
        value = "–" if verdict.value is None else f"{verdict.value:.4g}"
        table.add_row(verdict.condition.words, value, "passed" if verdict.passed else "FAILED")
    console.print(table)
    for name, error in outcome.errors.items():
        if error:
            console.print(f"FAILED {name}: {error}")
    for line in outcome.remarks:
        console.print(line)


def _head(scenario: Scenario, verdicts: list[Verdict], outcome: Outcome) -> ReportHead:
    rows = [(verdict.words, "passed" if verdict.passed else "FAILED") for verdict in verdicts]
    notes = [*(error for error in outcome.errors.values() if error), *outcome.remarks]
    about = {"mode": scenario.mode, "bags": ", ".join(outcome.errors)}
    return ReportHead(f"Scenario {scenario.name}", about, notes, [ReportTable("Conditions", ("condition", ""), rows)])
