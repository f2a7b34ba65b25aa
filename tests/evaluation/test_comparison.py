from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.comparison import COMPARED, PAIRED, compare, read_evaluations, sign_test
from defocus_depth.evaluation.comparison_page import write_comparison

ABS_REL, DELTA1 = PAIRED[0], PAIRED[2]


def evaluation(stacks: dict[str, float], **changes: Any) -> dict[str, Any]:
    """What `evaluate --json` wrote before it knew of calibration, distance bins and provenance."""
    rows = [{"name": name, "n": 1, "abs_rel": v, "rmse_m": 2 * v, "delta1": 1 - v} for name, v in stacks.items()]
    mean = sum(stacks.values()) / len(stacks)
    figures = {"abs_rel": mean, "rmse_m": 2 * mean, "delta1": 1 - mean, "delta2": 1.0, "coc_mae_px": 1.0}
    head = {"method": "network", "frames": "first", "n": len(stacks), "valid_fraction": 1.0, "masked": None}
    return head | figures | {"per_stack": rows} | changes


@pytest.fixture
def write(tmp_path: Path):
    def writing(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return writing


def test_differences_and_wins(write) -> None:
    base = write("base.json", evaluation({"a": 0.3, "b": 0.3, "c": 0.3, "d": 0.2}))
    new = write("new.json", evaluation({"a": 0.2, "b": 0.25, "c": 0.4, "d": 0.2001}))
    comparison = compare(read_evaluations([base, new]))
    assert comparison["baseline"] == "base" and comparison["notes"] == []
    first, second = comparison["evaluations"]
    assert (first["label"], second["label"], second["method"], second["n"]) == ("base", "new", "network", 4)
    assert first["difference"]["abs_rel"] == 0
    assert second["difference"]["abs_rel"] == pytest.approx(1.0501 / 4 - 1.1 / 4)
    wins = second["paired"]["abs_rel"]
    assert (wins["wins"], wins["losses"], wins["ties"]) == (2, 1, 1)
    assert wins["mean_difference"] == pytest.approx((-0.1 - 0.05 + 0.1 + 0.0001) / 4)
    assert second["paired"]["delta1"]["wins"] == 2  # higher is better there
    assert second["figures"]["calibration.ece"] is None and second["difference"]["calibration.ece"] is None
    assert second["provenance"]["backend"] is None
    json.dumps(comparison, allow_nan=False)


def test_every_compared_figure_is_one_of_the_summary(tmp_path: Path, write_plane, fake_estimator) -> None:
    from defocus_depth.evaluation.dataset import StackSamples
    from defocus_depth.evaluation.methods import network_method
    from defocus_depth.evaluation.results import JudgedFrames
    from defocus_depth.evaluation.run import evaluate_samples
    from defocus_depth.evaluation.summary import summary

    write_plane(tmp_path / "a", 1.0)
    judged = JudgedFrames(evaluate_samples(StackSamples(tmp_path), network_method(fake_estimator(1.1)), 0.5))
    file = tmp_path / "a.json"
    file.write_text(json.dumps(summary("network", "first", judged, 0.5)))
    first, _ = read_evaluations([file, file])
    missing = {figure.key for figure in COMPARED if first.figure(figure.key) is None}
    assert missing == {"temporal.flicker_rel"}  # one frame only


def test_other_frames_are_told(write) -> None:
    base = write("base.json", evaluation({"a": 0.3, "b": 0.3}))
    other = write("other.json", evaluation({"a": 0.2}, frames="all"))
    notes = compare(read_evaluations([base, other]))["notes"]
    assert len(notes) == 3 and "frames is all, first in base" in notes[0] and "1 stacks are not in both" in notes[2]


def test_without_common_stacks(write) -> None:
    base, other = write("x.json", evaluation({"a": 0.3})), write("y.json", evaluation({"b": 0.2}))
    wins = compare(read_evaluations([base, other]))["evaluations"][1]["paired"]["abs_rel"]
    assert wins == {"wins": 0, "losses": 0, "ties": 0, "mean_difference": None, "p_value": 1.0}


def test_labels_are_unique(write) -> None:
    content = evaluation({"a": 0.3})
    paths = [write("one/figures.json", content), write("two/figures.json", content), write("b.json", content)]
    labels = [e.label for e in read_evaluations([*paths, paths[0]])]
    assert labels == ["one/figures", "two/figures", "b", "one/figures (4)"]


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (3, 3), (5, 0), (2, 9), (70, 30)])
def test_sign_test_agrees_with_scipy(wins: int, losses: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert sign_test(wins, losses) == pytest.approx(expected)
    assert sign_test(wins, losses) == sign_test(losses, wins)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "bad.json: expected JSON"),
        ("[]", "bad.json: "),
        (evaluation({"a": 0.3}) | {"n": -1}, "bad.json: n: .*expected.*got -1"),
        (
            {k: v for k, v in evaluation({"a": 0.3}).items() if k != "per_stack"},
            "bad.json: per_stack: expected a value",
        ),
        (evaluation({"a": 0.3}) | {"abs_rel": "low"}, "bad.json: abs_rel: .*got 'low'"),
        (evaluation({"a": math.nan}), "bad.json: "),
    ],
)
def test_refused_files(write, content: Any, message: str) -> None:
    good = write("good.json", evaluation({"a": 0.3}))
    with pytest.raises(ConfigError, match=message):
        read_evaluations([good, write("bad.json", content)])


def test_refuses_too_few_and_missing(tmp_path: Path, write) -> None:
    good = write("good.json", evaluation({"a": 0.3}))
    with pytest.raises(ConfigError, match="expected at least two evaluations .*got 1"):
        read_evaluations([good])
    with pytest.raises(ConfigError, match="gone.json: expected an evaluation's JSON file, got"):
        read_evaluations([good, tmp_path / "gone.json"])


def test_page(tmp_path: Path, write) -> None:
    bins = [{"name": "0-0.5", "pixels": 5, "abs_rel": 0.1, "delta1": None}]
    made_with = {
        "model": "m.onnx",
        "model_sha256": "abc" * 20,
        "backend": "openvino",
        "version": "1",
        "commit": "c0ffee",
    }
    base = write("base.json", evaluation({"<a>": 0.3, "b": 0.1}, distance_bins=bins, provenance=made_with))
    new = write("new.json", evaluation({"<a>": 0.2, "b": 0.1}, distance_bins=bins))
    evaluations = read_evaluations([base, new])
    write_comparison(tmp_path / "out" / "page.html", evaluations, compare(evaluations))
    text = (tmp_path / "out" / "page.html").read_text(encoding="utf-8")
    assert "openvino" in text and "abcabcabcabc<" in text and "c0ffee" in text and "&lt;a&gt;" in text
    assert 'class="better">-0.050</small>' in text and 'class="worse"' not in text
    assert text.count('<td class="better">0.200</td>') == 1 and '<td class="better">0.100' not in text
    assert "<svg" in text and "src=" not in text
    with pytest.raises(ConfigError, match="file/x.html: expected a writable file"):
        (tmp_path / "file").write_text("")
        write_comparison(tmp_path / "file" / "x.html", evaluations, compare(evaluations))


def test_many_evaluations(tmp_path: Path, write) -> None:
    rng = np.random.default_rng(0)
    bins = [{"name": "0-0.5", "pixels": 5, "abs_rel": 0.1, "delta1": 0.5}]
    stacks = [{f"s{k}": float(rng.uniform(0.1, 0.5)) for k in range(5)} for _ in range(6)]
    paths = [write(f"{k}.json", evaluation(content, distance_bins=bins)) for k, content in enumerate(stacks)]
    evaluations = read_evaluations(paths)
    write_comparison(tmp_path / "page.html", evaluations, compare(evaluations))
    assert len(compare(evaluations)["evaluations"]) == 6
