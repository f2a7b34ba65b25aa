"""The renderer's benchmark: every engine draws every case, and the verdict is about the compiled engine."""

import importlib.util
import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
SOURCE = Path(__file__).parents[2] / "benchmarks" / "renderer.py"


@pytest.fixture
def renderer(monkeypatch):
    spec = importlib.util.spec_from_file_location("renderer", SOURCE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "renderer", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "TWIN_SIZE", (8, 12))
    monkeypatch.setattr(module, "SIZES", ((8, 12), (16, 24)))
    return module


def test_every_engine_draws_every_case(renderer, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(renderer, "SPEED_UP", 0.0)
    assert renderer.run(renderer.Options(rounds=1, json=tmp_path / "f.json")) == 0
    written = json.loads((tmp_path / "f.json").read_text())
    assert written["machine"].keys() == {"cpus", "threads", "gpu"}
    timings = written["timings"]
    cpu = [one for one in timings if one["case"]["engine"] == "cpu"]
    assert {(one["case"]["splats"], one["case"]["mode"]) for one in cpu} == {
        ("pixels", "coverage"),
        ("gaussians", "coverage"),
        ("gaussians", "alpha"),
    }
    for one in timings:
        height, width = one["case"]["height"], one["case"]["width"]
        assert one["seconds_per_megapixel"] == pytest.approx(one["seconds"] / (height * width / 1e6))
        assert (one["speed_up"] is not None) == (height == 8)
    assert "s per" in capsys.readouterr().out


def test_a_slow_compiled_engine_fails(renderer, capsys, monkeypatch):
    def timings(wanted, rounds):
        return [renderer.Timing(case, 1.0, 1.0, 19.0 if case.engine == "cpu" else 1.0) for case in wanted]

    monkeypatch.setattr(renderer, "time_cases", timings)
    assert renderer.run(renderer.Options()) == 1
    assert "expected 20 times the torch twin's speed, got 19.0" in capsys.readouterr().err


def test_gsplat_is_timed_where_cuda_is(renderer):
    assert {case.engine for case in renderer.cases(cuda=False)} == {"torch", "cpu"}
    assert {case.engine for case in renderer.cases(cuda=True)} == {"torch", "cpu", "gsplat"}
