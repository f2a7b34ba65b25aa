"""The real node as a process of its own, measured while a bag is played to it over DDS."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from bag_maker import FRAME_NS, START_NS, TOPICS, BagMaker  # noqa: E402

from defocus_depth.cli import COMMANDS  # noqa: E402
from defocus_depth.commands import replay as command  # noqa: E402
from defocus_depth.commands.dispatch import main  # noqa: E402
from defocus_depth.errors import ConfigError  # noqa: E402
from defocus_depth.evaluation import online  # noqa: E402
from defocus_depth.evaluation.bags.method import LoadedMethod, MethodChoice  # noqa: E402
from defocus_depth.evaluation.bags.options import BagOptions  # noqa: E402
from defocus_depth.evaluation.bags.request import BagRequest  # noqa: E402
from defocus_depth.evaluation.bags.samples import BagSamples  # noqa: E402
from defocus_depth.messages.lens_setting import LensSetting  # noqa: E402
from defocus_depth.optics.lens_file import read_lens  # noqa: E402
from defocus_depth.ros.processes import NodeProcess  # noqa: E402

COUNT = 12


@pytest.fixture
def lens(tmp_path: Path) -> Path:
    path = tmp_path / "lens.yaml"
    path.write_text("lens: {blur_gain_px_per_dpt: 4.0}\nnear_focus_distance_m: 0.35\n")
    return path


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """Images of noise, so that equal maps mean equal work; the lens travels during one of them."""
    from defocus_depth.evaluation.bags import standard

    maker, random = BagMaker(), np.random.default_rng(3)
    for index in range(COUNT):
        stamp_ns = START_NS + index * FRAME_NS
        pixels = random.integers(0, 256, (64, 96, 3), np.uint8)
        maker.lens(stamp_ns, 0.35, velocity=0.1 if index == 5 else 0.0, time_ns=stamp_ns - 20_000_000)
        maker.info(stamp_ns - 10_000_000)
        maker.add("/image", standard.IMAGE, stamp_ns, standard.image(standard.header(stamp_ns, "cam"), pixels, "rgb8"))
        maker.truth(stamp_ns, 1.0, frame_id="cam")
    return maker.write(tmp_path / "noise")


def test_offline_and_online_agree_where_nothing_was_dropped(
    bag: Path, lens: Path, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    kept: list[online.OnlineRun] = []
    monkeypatch.setattr(online.MapSpool, "close", lambda self: None)
    monkeypatch.setattr(command, "online_table", lambda run: kept.append(run) or "measured")
    options = command.Options(
        bag, 0.5, lens=str(lens), recorded=TOPICS, model=tiny_model, backend="onnxruntime", json=tmp_path / "f.json",
    )  # fmt: skip
    assert command.run(options) == 0
    (run,) = kept
    figures = json.loads((tmp_path / "f.json").read_text())
    measured = figures["online"]
    assert measured["images"] == COUNT == run.images
    assert measured["results"] + measured["dropped"] + sum(measured["left_out"].values()) == COUNT
    assert measured["results"] >= 3 and measured["left_out"].get("lens_travelling", 0) <= 1
    assert measured["cpu_percent"] > 0 and measured["rss_mib"] > 50
    assert 0 < measured["latency_ms"]["median"] <= measured["latency_ms"]["p95"] <= measured["latency_ms"]["max"]
    assert (measured["node"]["backend"], measured["node"]["precision"]) == ("onnxruntime", "f32")
    assert figures["n"] == measured["results"]

    setting = read_lens(lens)
    request = BagRequest(TOPICS, LensSetting(setting.lens, setting.near_focus_distance_m))
    samples = BagSamples(bag, request)
    predict = LoadedMethod(MethodChoice("network", tiny_model, "onnxruntime")).for_bag(samples)
    compared = 0
    for sample in samples:
        if sample.stamp_ns in run.received_ns:
            offline, published = predict(sample), online.published(run.maps, sample.stamp_ns)
            np.testing.assert_allclose(published.maps.depth_m, offline.maps.depth_m, rtol=1e-6, atol=1e-6)
            np.testing.assert_allclose(published.maps.coc_px, offline.maps.coc_px, atol=1e-6)
            assert published.confidence is not None and offline.confidence is not None
            np.testing.assert_allclose(published.confidence, offline.confidence, atol=1e-6)
            compared += 1
    assert compared == measured["results"]


def test_a_running_node_is_measured_and_left_running(bag: Path, lens: Path, tiny_model: Path, tmp_path: Path) -> None:
    parameters = {"autostart": "true", "lens_file": lens, "model": tiny_model, "backend": "onnxruntime"}
    line = [part for name, value in parameters.items() for part in ("-p", f"{name}:={value}")]
    with NodeProcess("defocus_depth.ros.depth_node", ["--ros-args", *line], {}, tmp_path / "log") as node:
        options = command.Options(bag, 0.5, recorded=BagOptions("/image"), node="/depth", json=tmp_path / "f.json")
        assert command.run(options) == 0
        assert node.running
    measured = json.loads((tmp_path / "f.json").read_text())
    assert measured.keys() == {"online"}
    assert measured["online"]["images"] == COUNT and measured["online"]["rss_mib"] > 50


def test_a_scenario_may_be_online(bag: Path, lens: Path, tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "online.yaml"
    path.write_text(
        f"lens: {lens}\nmode: online\nrate: 0.5\nmodel: {tiny_model}\nbackend: onnxruntime\n"
        "bags: [{path: noise, image_topic: /image, ground_truth_topic: /depth}]\n"
        "conditions: [{figure: drop_ratio, at_most: 0.9}, {figure: latency_p95_ms, at_most: 60000},"
        " {figure: invalid_ratio, at_most: 0}]\n"
    )
    assert main("defocus_depth", COMMANDS, ["evaluate-scenario", str(path), "--junit", str(tmp_path / "j.xml")]) == 0
    assert 'failures="0"' in (tmp_path / "j.xml").read_text()


def test_a_node_that_cannot_start_is_named(bag: Path, lens: Path, tmp_path: Path, capsys) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_text("no model")
    arguments = ["replay", str(bag), "--image-topic", "/image", "--lens", str(lens), "--model", str(broken)]
    assert main("defocus_depth", COMMANDS, arguments) == 2
    assert "/depth: expected an active depth node, got: " in (complaint := capsys.readouterr().err)
    assert "broken" in complaint
    with pytest.raises(ConfigError, match="--lens: expected one for the node that is started .*, got none"):
        command.run(command.Options(bag, recorded=BagOptions("/image")))
