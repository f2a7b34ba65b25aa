"""Bags of flat grey images through the tiny model, whose depth is known; and everything that recordings suffer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bag_maker import FRAME_NS, SIZE, START_NS, BagMaker, depth_of

from defocus_depth.cli import COMMANDS
from defocus_depth.commands.dispatch import main
from defocus_depth.evaluation.bags import standard
from defocus_depth.evaluation.bags.reader import open_bag
from defocus_depth.stacks import write_stack
from defocus_depth.types import CameraIntrinsics, FocalStack, Frame, LensParameters

LEVELS = (40, 200, 40, 200)
SWEPT_TOPICS = ("--ground-truth-topic", "/depth", "--lens-state-topic", "/lens_state")
ALL_TOPICS = ("--camera-info-topic", "/camera_info", *SWEPT_TOPICS)
OURS = {"/depth/depth/image", "/depth/defocus/image", "/depth/confidence/image", "/depth/depth/camera_info"}


@pytest.fixture
def lens(tmp_path: Path) -> Path:
    path = tmp_path / "lens.yaml"
    path.write_text("lens: {blur_gain_px_per_dpt: 4.0}\nnear_focus_distance_m: 0.35\n")
    return path


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    maker = BagMaker()
    maker.frames(LEVELS)
    return maker.write(tmp_path / "plain")


def evaluate_bag(bag: Path, lens: Path, *arguments: object) -> int:
    fixed = ["evaluate-bag", str(bag), "--image-topic", "/image", "--lens", str(lens)]
    return main("defocus_depth", COMMANDS, [*fixed, *map(str, arguments)])


def test_the_network_against_its_own_truth_twice_the_same_bytes(
    bag: Path, lens: Path, tiny_model: Path, tmp_path: Path, capsys
) -> None:
    files = [tmp_path / "first.json", tmp_path / "second.json"]
    for file in files:
        assert evaluate_bag(bag, lens, *ALL_TOPICS, "--model", tiny_model, "--json", file) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    figures = json.loads(files[0].read_text())
    assert (figures["method"], figures["frames"], figures["n"]) == ("network", "all", 4)
    assert figures["abs_rel"] < 0.01 and figures["delta1"] == 1.0
    assert figures["masked"]["valid_fraction"] == pytest.approx(0.5)  # confidence = brightness
    (group,) = figures["per_stack"]
    assert (group["name"], group["n"], group["images"], group["left_out"]) == ("plain", 4, 4, {})
    assert str(tmp_path) not in files[0].read_text() and str(START_NS)[:10] not in files[0].read_text()
    assert "mean of frames" in capsys.readouterr().out


def test_the_keys_are_those_of_evaluate(bag: Path, lens: Path, tiny_model: Path, tmp_path: Path) -> None:
    camera = CameraIntrinsics(SIZE[1], SIZE[0], 90.0, 90.0, 47.5, 31.5)
    stack = FocalStack(Path(), (Frame("0.png", 0.35),), LensParameters(blur_gain_px_per_dpt=4.0), camera)
    image, truth_m = np.full((*SIZE, 3), 40, np.uint8), np.full(SIZE, depth_of(40), np.float32)
    write_stack(tmp_path / "stack", stack, [image], truth_m)
    files = [tmp_path / "bag.json", tmp_path / "stack.json"]
    assert evaluate_bag(bag, lens, *ALL_TOPICS, "--model", tiny_model, "--json", files[0]) == 0
    arguments = ["evaluate", str(tmp_path / "stack"), "--model", str(tiny_model), "--json", str(files[1])]
    assert main("defocus_depth", COMMANDS, arguments) == 0
    ours, theirs = (json.loads(file.read_text()) for file in files)
    assert ours.keys() == theirs.keys()
    assert ours["per_stack"][0].keys() - {"images", "left_out"} == theirs["per_stack"][0].keys()
    assert ours["provenance"] == theirs["provenance"]


def test_without_ground_truth_counts_valid_fraction_and_confidence(
    bag: Path, lens: Path, tiny_model: Path, tmp_path: Path
) -> None:
    file, timing = tmp_path / "f.json", tmp_path / "t.json"
    assert evaluate_bag(bag, lens, "--model", tiny_model, "--json", file, "--timing-json", timing) == 0
    figures = json.loads(file.read_text())
    assert (figures["n"], figures["abs_rel"], figures["valid_fraction"]) == (4, None, 1.0)
    mean_level = np.mean(LEVELS) / 255
    assert figures["masked"]["mean_confidence"] == pytest.approx(mean_level, abs=0.01)
    assert figures["masked"]["valid_fraction"] == pytest.approx(0.5)
    times = json.loads(timing.read_text())
    assert times["frames"] == 4 and set(times["ms_per_frame"]) == set(times["cpu_ms_per_frame"]) == {
        "read",
        "load",
        "predict",
        "compare",
        "write",
    }


def test_a_ground_truth_topic_without_a_valid_pixel_is_no_evaluation(
    lens: Path, tiny_model: Path, tmp_path: Path, capsys
) -> None:
    maker = BagMaker()
    maker.frames((40, 200))
    maker.entries = [entry for entry in maker.entries if entry.topic != "/depth"]
    for index in range(2):
        maker.truth(START_NS + index * FRAME_NS, np.nan)
    bag, out = maker.write(tmp_path / "untrue"), tmp_path / "out.mcap"
    assert evaluate_bag(bag, lens, *ALL_TOPICS, "--model", tiny_model, "--out-bag", out) == 2
    assert "untrue: /depth: expected ground truth (finite, > 0 m) at one pixel" in capsys.readouterr().err
    assert out.exists()  # what took the time is kept


def test_the_constant_is_the_median_of_the_bag(bag: Path, lens: Path, tmp_path: Path) -> None:
    file = tmp_path / "f.json"
    assert evaluate_bag(bag, lens, *ALL_TOPICS, "--method", "constant", "--json", file) == 0
    dark_m, bright_m = depth_of(40), depth_of(200)
    errors = [(abs(bright_m / dark_m - 1)), 0.0], [0.0, abs(dark_m / bright_m - 1)]
    expected = [float(np.mean(pair)) for pair in errors]  # two frames each: either may be the median
    assert min(abs(json.loads(file.read_text())["abs_rel"] - value) for value in expected) < 1e-3


def test_a_bag_of_ros_1_gives_the_same_figures(bag: Path, lens: Path, tiny_model: Path, tmp_path: Path) -> None:
    maker, files = BagMaker(), [tmp_path / "one.json", tmp_path / "two.json"]
    maker.frames(LEVELS)
    (tmp_path / "ros1").mkdir()
    old, out = maker.write_ros1(tmp_path / "ros1" / "plain.bag"), tmp_path / "out.mcap"
    arguments = (*ALL_TOPICS, "--model", tiny_model)
    assert evaluate_bag(bag, lens, *arguments, "--json", files[0]) == 0
    assert evaluate_bag(old, lens, *arguments, "--json", files[1], "--out-bag", out) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    assert evaluate_bag(out, lens, *arguments) == 0  # what was written is a bag of ROS 2


def test_zhuo_sim_runs(bag: Path, lens: Path, tmp_path: Path) -> None:
    file = tmp_path / "f.json"
    assert evaluate_bag(bag, lens, *ALL_TOPICS, "--method", "zhuo_sim", "--json", file) == 0
    assert json.loads(file.read_text())["n"] == 4


def test_a_report_is_written(bag: Path, lens: Path, tiny_model: Path, tmp_path: Path, capsys) -> None:
    assert evaluate_bag(bag, lens, *ALL_TOPICS, "--model", tiny_model, "--report", tmp_path / "report") == 0
    assert any((tmp_path / "report").iterdir())
    assert "report: " in capsys.readouterr().out


def test_the_recording_with_our_topics(bag: Path, lens: Path, tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mcap"
    assert evaluate_bag(bag, lens, *ALL_TOPICS, "--model", tiny_model, "--out-bag", out) == 0
    with open_bag(bag) as recording, open_bag(out) as written:
        names = {topic.name for topic in recording.topics}
        ours = {topic.name for topic in written.topics} - names
        assert ours == OURS
        assert sorted(written.messages(names), key=repr) == sorted(recording.messages(names), key=repr)
        depths = list(written.messages(["/depth/depth/image"]))
        (info, *_) = written.messages(["/depth/depth/camera_info"])
    assert [depth.time_ns for depth in depths] == [START_NS + index * FRAME_NS for index in range(4)]
    image = standard.parsed(depths[1].cdr, standard.IMAGE)
    assert (image.encoding, image.header.frame_id, image.header.stamp.nanosec) == (
        "32FC1", "camera_optical_frame", FRAME_NS
    )  # fmt: skip
    values = np.frombuffer(image.data, np.float32)
    np.testing.assert_allclose(values, depth_of(200), rtol=0.01)
    assert standard.parsed(info.cdr, standard.CAMERA_INFO).k[0] == 90.0
    again = tmp_path / "again.mcap"  # our names are taken now
    assert evaluate_bag(out, lens, *ALL_TOPICS, "--model", tiny_model, "--out-bag", again) == 0
    with open_bag(again) as written:
        assert "/evaluation/depth/image" in {topic.name for topic in written.topics}


def test_the_recording_is_never_written_to(bag: Path, lens: Path, tiny_model: Path, tmp_path: Path, capsys) -> None:
    (storage,) = bag.glob("*.mcap")
    (tmp_path / "link.mcap").symlink_to(storage)
    before = {path: path.read_bytes() for path in bag.iterdir()}
    for recording, out in (
        (bag, bag),
        (storage, storage),
        (storage, bag),
        (bag, bag / "o.mcap"),
        (storage, "link.mcap"),
    ):
        arguments = ("--model", tiny_model, "--out-bag", tmp_path / out, "--overwrite")
        assert evaluate_bag(recording, lens, *ALL_TOPICS, *arguments) == 2
        assert "expected a place outside the recording, got one in the place of" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in bag.iterdir()} == before


def test_a_bag_that_exists_is_replaced_only_when_asked(
    bag: Path, lens: Path, tiny_model: Path, tmp_path: Path, capsys
) -> None:
    out = tmp_path / "out.mcap"
    out.write_text("precious")
    arguments = (*ALL_TOPICS, "--model", tiny_model, "--out-bag", out)
    assert evaluate_bag(bag, lens, *arguments) == 2 and out.read_text() == "precious"
    assert "out.mcap: expected the name of a new bag (or --overwrite)" in capsys.readouterr().err
    assert evaluate_bag(bag, lens, *arguments, "--overwrite") == 0
    with open_bag(out) as written:
        assert {topic.name for topic in written.topics} > OURS


def test_defocus_is_rendered_into_a_sharp_recording_and_the_report_says_so(
    lens: Path, tmp_path: Path, tiny_model: Path, capsys
) -> None:
    maker = BagMaker()
    pixels = np.tile(np.array([[0, 255], [255, 0]], np.uint8).repeat(8, 0).repeat(8, 1), (4, 6))
    pixels = np.repeat(pixels[..., None], 3, axis=2)
    maker.add("/image", standard.IMAGE, START_NS, standard.image(standard.header(START_NS, ""), pixels, "rgb8"))
    maker.truth(START_NS, 1.5, frame_id="")
    bag, out, file = maker.write(tmp_path / "sharp"), tmp_path / "out.mcap", tmp_path / "f.json"
    rendered = ("--ground-truth-topic", "/depth", "--render-defocus", "--model", tiny_model)
    assert evaluate_bag(bag, lens, *rendered, "--json", file, "--report", tmp_path / "report", "--out-bag", out) == 0
    assert "defocus rendered" in json.loads(file.read_text())["frames"]
    assert "images were sharp; the lens's defocus was rendered into them" in capsys.readouterr().out
    with open_bag(out) as written:
        (depth,) = written.messages(["/depth/depth/image"])
    inverse = 1 / np.frombuffer(standard.parsed(depth.cdr, standard.IMAGE).data, np.float32).reshape(SIZE)
    # The model's inverse depth is 0.5 + 2·brightness: on a sharp checkerboard it would jump from 0.5 to 2.5.
    step = np.abs(np.diff(inverse[28], axis=0)).max()
    assert 0.05 < step < 0.6
    assert evaluate_bag(bag, lens, "--render-defocus") == 2
    assert "--render-defocus: expected --ground-truth-topic, got none" in capsys.readouterr().err


FOCI_M = (0.5, 0.8, 1.2, 2.4, 9.0)


def sweep(maker: BagMaker, shift_px: int = 0, rounds: int = 1, foci_m: tuple[float, ...] = FOCI_M) -> None:
    """A textured plane at 1.2 m, blurred as LENS (4 px/dpt) does at each focus; shifts from frame to frame."""
    import cv2

    texture = np.random.default_rng(5).uniform(30, 220, (SIZE[0], SIZE[1] + 64)).astype(np.float32)
    texture = cv2.GaussianBlur(texture, (0, 0), 1.0)
    stamps = iter(range(START_NS, START_NS + 10**12, FRAME_NS))
    for _ in range(rounds):
        for index, focus_m in enumerate(foci_m):
            stamp_ns = next(stamps)
            sigma_px = max(4 * abs(1 / focus_m - 1 / 1.2) / 4, 0.05)
            blurred = cv2.GaussianBlur(texture, (0, 0), sigma_px)[:, index * shift_px :][:, : SIZE[1]]
            pixels = np.repeat(np.rint(blurred).astype(np.uint8)[..., None], 3, axis=2)
            maker.lens(stamp_ns, focus_m)
            maker.add("/image", standard.IMAGE, stamp_ns, standard.image(standard.header(stamp_ns, ""), pixels, "rgb8"))
            maker.truth(stamp_ns, 1.2, frame_id="")


SWEEP = ("--method", "dff_sml", *SWEPT_TOPICS)


def test_depth_from_focus_over_the_sweeps_of_a_static_scene(lens: Path, tmp_path: Path) -> None:
    maker, file = BagMaker(), tmp_path / "f.json"
    sweep(maker, rounds=2)
    assert evaluate_bag(maker.write(tmp_path / "sweeps"), lens, *SWEEP, "--json", file) == 0
    figures = json.loads(file.read_text())
    assert figures["n"] == 10 and figures["abs_rel"] < 0.15


def test_frames_at_one_focus_count_once_though_the_lens_reports_it_a_little_differently(
    lens: Path, tmp_path: Path
) -> None:
    maker, file = BagMaker(), tmp_path / "f.json"
    sweep(maker, foci_m=tuple(focus_m * nearly for focus_m in FOCI_M for nearly in (1.0, 1.002)))
    assert evaluate_bag(maker.write(tmp_path / "sweeps"), lens, *SWEEP, "--json", file) == 0
    assert json.loads(file.read_text())["n"] == len(FOCI_M)


def test_fused_estimates_over_a_sweep_are_those_of_the_same_stack(lens: Path, tmp_path: Path, tiny_model: Path) -> None:
    maker, file = BagMaker(), tmp_path / "f.json"
    sweep(maker)
    arguments = ("--method", "fused", *SWEPT_TOPICS, "--model", tiny_model, "--json", file)
    assert evaluate_bag(maker.write(tmp_path / "sweep"), lens, *arguments) == 0
    figures = json.loads(file.read_text())
    assert (figures["method"], figures["n"]) == ("fused", 5)
    assert figures["masked"] is not None and figures["provenance"]["model"] == "tiny.onnx"
    frames = tuple(Frame(f"{index}.png", focus_m) for index, focus_m in enumerate(FOCI_M))
    camera = CameraIntrinsics(SIZE[1], SIZE[0], 90.0, 90.0, 47.5, 31.5)
    stack = FocalStack(Path(), frames, LensParameters(blur_gain_px_per_dpt=4.0), camera)
    images = [standard.parsed(e.cdr, standard.IMAGE) for e in maker.entries if e.topic == "/image"]
    pixels = [np.asarray(image.data).reshape(*SIZE, 3) for image in images]
    write_stack(tmp_path / "stack", stack, pixels, np.full(SIZE, 1.2, np.float32))
    line = ["evaluate", str(tmp_path / "stack"), "--frames", "fused", "--model", str(tiny_model), "--json", str(file)]
    assert main("defocus_depth", COMMANDS, line) == 0
    assert figures["abs_rel"] == pytest.approx(json.loads(file.read_text())["abs_rel"], rel=1e-6)


def test_depth_from_focus_needs_a_sweep_and_a_static_scene(bag: Path, lens: Path, tmp_path: Path, capsys) -> None:
    assert evaluate_bag(bag, lens, *SWEEP) == 2
    assert "dff_sml: expected a focus sweep (2 or more focus distances in a row)" in capsys.readouterr().err
    maker = BagMaker()
    sweep(maker, shift_px=6)
    assert evaluate_bag(maker.write(tmp_path / "moving"), lens, *SWEEP) == 2
    assert "dff_sml: expected a static scene during a focus sweep, got a shift of" in capsys.readouterr().err


def test_what_recordings_suffer_is_one_line_each(
    bag: Path, lens: Path, tmp_path: Path, tiny_model: Path, capsys
) -> None:
    (storage,) = bag.glob("*.mcap")
    (tmp_path / "truncated.mcap").write_bytes(storage.read_bytes()[:-300])
    cases = {
        ("truncated.mcap",): "expected a readable recording",
        ("nothing.mcap",): "found nothing",
        ("plain", "--camera-info-topic", "/none"): "camera_info topic /none: expected type sensor_msgs/msg/CameraInfo",
        ("plain", "--ground-truth-topic", "/none"): "ground-truth topic /none",
        ("plain", "--min-confidence", 2): "min_confidence: expected 0..1, got 2.0",
        ("plain", "--extrinsics", tmp_path / "none.yaml"): "none.yaml: expected a readable YAML file",
        ("plain", "--method", "constant"): "constant: expected ground truth with at least one valid pixel, got none",
    }
    for (name, *arguments), expected in cases.items():
        assert evaluate_bag(tmp_path / name, lens, "--model", tiny_model, *arguments) == 2
        complaint = capsys.readouterr().err
        assert expected in complaint and "Traceback" not in complaint
        assert sum(line.startswith("defocus_depth evaluate-bag:") for line in complaint.splitlines()) == 1


def test_a_camera_info_of_zeros_hurts_nobody_who_needs_no_camera(lens: Path, tmp_path: Path, tiny_model: Path) -> None:
    maker = BagMaker()
    maker.frames(LEVELS[:2])
    zero = standard.parsed(next(e.cdr for e in maker.entries if e.topic == "/camera_info"), standard.CAMERA_INFO)
    zero.k = np.zeros(9)
    cdr = standard.serialised(zero, standard.CAMERA_INFO)
    maker.add("/zero_info", standard.CAMERA_INFO, START_NS, cdr)
    bag, file = maker.write(tmp_path / "zero"), tmp_path / "f.json"
    topics = ("--camera-info-topic", "/zero_info", "--ground-truth-topic", "/depth", "--model", tiny_model)
    assert evaluate_bag(bag, lens, *topics, "--json", file) == 0
    assert json.loads(file.read_text())["abs_rel"] < 0.01
