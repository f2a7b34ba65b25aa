"""Scenario files, conditions over frames, JUnit XML and frame logs."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.dataset import Sample
from defocus_depth.evaluation.methods import Prediction
from defocus_depth.evaluation.metrics import DepthMaps
from defocus_depth.evaluation.results import FrameResult
from defocus_depth.evaluation.run import evaluate_samples
from defocus_depth.evaluation.scenarios.conditions import Judge, Verdict
from defocus_depth.evaluation.scenarios.frame_log import frame_log
from defocus_depth.evaluation.scenarios.junit import write_junit
from defocus_depth.evaluation.scenarios.schema import Condition, Scenario, read_scenario
from defocus_depth.types import LensParameters

LENS = LensParameters(blur_gain_px_per_dpt=4.0)
MINIMAL = """
lens: robot
bags: [{path: bags/day, image_topic: /image, focus_distance_m: .inf}]
conditions: [{figure: abs_rel, at_most: 0.3}]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "hallway.yaml"
    path.write_text(text)
    return path


def test_paths_are_relative_to_the_file_and_defaults_those_of_the_command(tmp_path: Path) -> None:
    scenario = read_scenario(write(tmp_path, MINIMAL + "model: m.onnx\n"))
    (bag,) = scenario.bags
    assert (scenario.name, scenario.lens, scenario.mode) == ("hallway", "robot", "offline")
    assert (bag.path, scenario.model) == (tmp_path / "bags/day", tmp_path / "m.onnx")
    assert (bag.focus_distance_m, bag.tolerance_s) == (math.inf, 0.075)
    own = read_scenario(write(tmp_path, MINIMAL.replace("robot", "lenses/front.yaml")))
    assert own.lens == str(tmp_path / "lenses/front.yaml")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("abs_rel", "absrel"), r"conditions\[0\].figure: expected 'abs_rel', 'rmse_m'"),
        (("at_most: 0.3", "at_most: 0.3, at_least: 1"), "expected either at_most or at_least, got both or neither"),
        (("at_most: 0.3", "at_most: 0.3, distance_bin: 0-1"), "distance_bin: expected 0-0.5, 0.5-1,.*, got '0-1'"),
        (("abs_rel, at_most: 0.3", "drops, at_most: 0, distance_bin: 0.5-1"), "distance_bin: expected none with drops"),
        (("image_topic", "image_topics"), "hallway.yaml: bags.0..image_topic: expected a value, got nothing"),
        (("lens: robot", "lens: robot\nconditons: []"), "conditons: Extra inputs are not permitted"),
        (("lens: robot", "lens: robot\nmode: online\nmethod: constant"), "method: expected network in mode online"),
        (
            ("lens: robot\nbags: [{", "lens: robot\nmode: online\nbags: [{render_defocus: true, "),
            "render_defocus: expected false",
        ),
        (("focus_distance_m: .inf", "focus_distance_m: -1"), "focus_distance_m: expected > 0 m, inf allowed, got -1.0"),
        (("lens", "["), "expected YAML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: tuple[str, str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        read_scenario(write(tmp_path, MINIMAL.replace(*change)))
    with pytest.raises(ConfigError, match="none.yaml: expected a readable scenario YAML"):
        read_scenario(tmp_path / "none.yaml")


def test_two_bags_of_one_name_are_refused(tmp_path: Path) -> None:
    twice = "bags: [{path: a/x, image_topic: /i}, {path: b/x, image_topic: /i}]"
    with pytest.raises(ConfigError, match="expected files or folders of different names"):
        read_scenario(write(tmp_path, f"lens: robot\n{twice}\nconditions: [{{figure: abs_rel, at_most: 1}}]"))


def results(*pairs: tuple[float, float]) -> list[FrameResult]:
    """Frames of 4x4 px of a true depth and a predicted one (NaN: none)."""

    def sample(index: int, true_m: float) -> Sample:
        truth_m = np.full((4, 4), true_m, np.float32)
        return Sample(f"bag/{index}", "bag", np.zeros((4, 4), np.uint8), LENS, 0.5, truth_m, stamp_ns=10**9 * index)

    samples = [sample(index, true_m) for index, (true_m, _) in enumerate(pairs)]
    found = iter(pairs)

    def predict(sample: Sample) -> Prediction:
        depth_m = np.full((4, 4), next(found)[1], np.float32)
        return Prediction(DepthMaps(depth_m, sample.coc_px(depth_m)))

    return list(evaluate_samples(samples, predict, 0.5))


def values(judge: Judge) -> list[float | None]:
    return [verdict.value for verdict in judge.verdicts()]


def test_conditions_overall_and_per_distance_bin() -> None:
    conditions = [
        Condition(figure="abs_rel", at_most=0.2),
        Condition(figure="abs_rel", at_most=0.2, distance_bin="0.5-1"),
        Condition(figure="delta1", at_least=0.9, distance_bin="2-3"),
        Condition(figure="invalid_ratio", at_most=0.5),
        Condition(figure="invalid_ratio", at_most=0.5, distance_bin="2-3"),
        Condition(figure="rmse_m", at_most=1, distance_bin="5-10"),
    ]
    judge = Judge(conditions)
    for result in results((0.8, 0.88), (0.6, 0.9), (2.5, math.nan), (2.5, 2.6)):
        judge.add(result)
    assert values(judge) == pytest.approx([(0.1 + 0.5 + 0.04) / 3, 0.3, 1.0, 0.25, 0.5, None], abs=1e-6)
    assert [verdict.passed for verdict in judge.verdicts()] == [False, False, True, True, True, False]


def test_latency_and_drops() -> None:
    judge = Judge([Condition(figure=name, at_most=1) for name in ("latency_p95_ms", "drops", "drop_ratio")])
    assert values(judge) == [None, None, None]
    import dataclasses

    (result,) = results((1, 1))
    for latency_ms in range(101):
        judge.add(dataclasses.replace(result, latency_ms=float(latency_ms)))
    judge.count(images=40, dropped=1)
    judge.count(images=10, dropped=1)
    assert values(judge) == [95.0, 2.0, 0.04]


def test_junit_shows_bags_and_conditions(tmp_path: Path) -> None:
    verdicts = [
        Verdict(Condition(figure="abs_rel", at_most=0.2), 0.1),
        Verdict(Condition(figure="rmse_m", at_most=0.2), 0.3),
        Verdict(Condition(figure="delta1", at_least=0.2), None),
    ]
    write_junit(tmp_path / "new" / "junit.xml", "hall & way", {"day": "", "night": "broken \x1b< bag"}, verdicts, 1.5)
    suite = ElementTree.parse(tmp_path / "new" / "junit.xml").getroot()[0]
    assert (suite.get("name"), suite.get("tests"), suite.get("errors"), suite.get("failures")) == (
        "hall & way", "5", "1", "2"
    )  # fmt: skip
    assert [case.get("name") for case in suite] == ["day", "night", "abs_rel ≤ 0.2", "rmse_m ≤ 0.2", "delta1 ≥ 0.2"]
    assert [[child.tag for child in case if child.tag != "system-out"] for case in suite] == [
        [], ["error"], [], ["failure"], ["failure"]
    ]  # fmt: skip
    assert suite[4][0].get("message") == "delta1 ≥ 0.2: no value"


def test_a_line_per_frame_with_result_stamp_and_frame(tmp_path: Path) -> None:
    conditions = [Condition(figure="abs_rel", at_most=0.2)]
    bags = [{"path": "x", "image_topic": "/i"}]
    scenario = Scenario(lens="robot", bags=bags, conditions=conditions, name="hall")  # type: ignore[arg-type]
    judge = Judge(conditions)
    with frame_log(tmp_path / "log" / "frames.jsonl", scenario, judge) as log:
        for result in results((1.0, 1.1), (1.0, math.nan), (1.0, 2.0)):
            judge.add(result)
            log.add(result)
        log.end({"day": "", "night": "broken"})
    first, *lines, last = [json.loads(line) for line in (tmp_path / "log" / "frames.jsonl").read_text().splitlines()]
    assert first == {"Scenario": "hall", "Condition": ["abs_rel ≤ 0.2"]}
    assert [set(line) for line in lines] == [{"Result", "Stamp", "Frame"}] * 3
    assert [line["Result"]["Success"] for line in lines] == [True, True, False]
    assert lines[2]["Result"]["Summary"] == "Failed: Failed abs_rel ≤ 0.2: 0.55"
    assert [line["Stamp"]["ROS"] for line in lines] == [0.0, 1.0, 2.0] and lines[0]["Stamp"]["System"] > 1e9
    assert last["Result"] == {"Success": False, "Summary": "Failed: Failed night: broken; Failed abs_rel ≤ 0.2: 0.55"}
    assert lines[1]["Frame"]["abs_rel"] is None and lines[1]["Frame"]["invalid_ratio"] == 1.0
