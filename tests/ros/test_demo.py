"""The demo's figures, bag and verdicts, on recordings made here; the whole demo runs in test_demo_run."""

import math

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from builtin_interfaces.msg import Time  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, JointState  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from defocus_depth.errors import ProcessError  # noqa: E402
from defocus_depth.evaluation.bags.reader import open_bag  # noqa: E402
from defocus_depth.optics import coc_from_inverse_depth  # noqa: E402
from defocus_depth.ros import demo_session as topics  # noqa: E402
from defocus_depth.ros.demo_bag import write_demo_bag  # noqa: E402
from defocus_depth.ros.demo_figures import DemoFrames, demo_figures, frame_by_frame, typical  # noqa: E402
from defocus_depth.ros.demo_session import Session  # noqa: E402
from defocus_depth.ros.messages.encode import image_message  # noqa: E402
from defocus_depth.ros.recorder import Received  # noqa: E402
from defocus_depth.types import LensParameters  # noqa: E402

GAIN, FOCUS_M, SHAPE = 16.0, 0.4, (24, 32)
LENS = LensParameters(blur_gain_px_per_dpt=GAIN)
FRAMES, STEP_NS, LATENCY_NS = 30, 40_000_000, 25_000_000
START_NS = 1_700_000_000_000_000_000


def _header(stamp_ns: int) -> Header:
    return Header(stamp=Time(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9), frame_id="camera")


def _received(message, stamp_ns: int) -> Received:
    message.header = _header(stamp_ns)
    return Received(stamp_ns, stamp_ns + LATENCY_NS, bytes(serialize_message(message)))


def _floats(values: np.ndarray, stamp_ns: int) -> Received:
    return _received(image_message(Header(), values.astype(np.float32), "32FC1"), stamp_ns)


@pytest.fixture
def session() -> Session:
    """Truth 1 m (left half) and 2 m; published depth 10 % too far; frame 3's depth map is lost, images every tenth."""
    truth_m = np.repeat([1.0, 2.0], SHAPE[1] // 2)[None].repeat(SHAPE[0], axis=0)
    messages = {topic.name: [] for topic in topics.TOPICS}
    for index in range(FRAMES):
        stamp_ns = START_NS + index * STEP_NS
        lens_state = JointState(name=["focus_distance"], position=[FOCUS_M])
        messages[topics.LENS_STATE].append(_received(lens_state, stamp_ns))
        messages[topics.CAMERA_INFO].append(_received(CameraInfo(width=SHAPE[1], height=SHAPE[0]), stamp_ns))
        messages[topics.TRUTH].append(_floats(truth_m, stamp_ns))
        if index != 3:
            coc_px = coc_from_inverse_depth(1 / (1.1 * truth_m), GAIN, 1 / FOCUS_M)
            messages[topics.DEPTH].append(_floats(1.1 * truth_m, stamp_ns))
            messages[topics.DEFOCUS].append(_floats(coc_px, stamp_ns))
        if index % topics.EVERY == 0:
            image = np.full((*SHAPE, 3), index, np.uint8)
            messages[topics.IMAGE].append(_received(image_message(Header(), image, "rgb8"), stamp_ns))
            messages[topics.CONFIDENCE].append(_floats(np.full(SHAPE, 0.9), stamp_ns))
    return Session(messages, FRAMES, {"node": 50.0, "camera": 5.0}, "openvino", "abc")


def test_figures_are_what_the_maps_were_made_with(session):
    frames = DemoFrames(session, LENS)
    figures = demo_figures(session, dict(frame_by_frame(frames)))
    assert (figures.frames_in, figures.frames_out, figures.dropped) == (30, 29, 1)
    assert figures.fps == pytest.approx(28 / (29 * 0.04))
    assert figures.latency_ms_median == pytest.approx(25.0) and figures.latency_ms_p95 == pytest.approx(25.0)
    assert figures.abs_rel == pytest.approx(0.1, rel=1e-5)
    assert figures.rmse_m == pytest.approx(math.sqrt((0.1**2 + 0.2**2) / 2), rel=1e-5)
    assert (figures.delta1, figures.valid_fraction) == (1.0, 1.0)
    assert figures.coc_mae_px == pytest.approx(GAIN * (1 - 1 / 1.1) * (1 + 0.5) / 2, rel=1e-4)
    assert figures.abs_rel_constant == pytest.approx((abs(1.5 - 1) / 1 + abs(1.5 - 2) / 2) / 2)  # median 1.5 m
    assert (figures.backend, figures.model_sha256) == ("openvino", "abc")


def test_masked_pixels_lower_the_valid_fraction_only(session):
    depth = deserialize_message(session.messages[topics.DEPTH][0].cdr, Image)
    values = np.frombuffer(depth.data, np.float32).reshape(SHAPE).copy()
    values[:12] = np.nan
    session.messages[topics.DEPTH][0] = _floats(values, START_NS)
    figures = demo_figures(session, dict(frame_by_frame(DemoFrames(session, LENS))))
    assert figures.valid_fraction == pytest.approx(1 - 0.5 / 29)
    assert figures.abs_rel == pytest.approx(0.1, rel=1e-5)


def test_the_typical_frame_is_the_median_one():
    frames = {stamp: {"abs_rel": value} for stamp, value in enumerate([0.5, 0.1, 0.3, 0.2, 0.9])}
    assert typical(frames, [0, 1, 2, 4]) == 0
    assert typical(frames, [1, 2, 3]) == 3


def test_pictures_come_from_frames_that_have_everything(session):
    frames = DemoFrames(session, LENS)
    assert frames.pictured() == [START_NS + index * STEP_NS for index in (0, 10, 20)]
    assert frames.image(START_NS + 10 * STEP_NS)[0, 0].tolist() == [10, 10, 10]
    confidence = frames.prediction(START_NS).confidence
    assert confidence is not None and confidence[0, 0] == np.float32(0.9)
    assert frames.prediction(START_NS + STEP_NS).confidence is None


def test_truth_of_other_stamps_is_no_truth(session):
    session.messages[topics.TRUTH][:] = [
        Received(message.stamp_ns + 1, message.received_ns, message.cdr) for message in session.messages[topics.TRUTH]
    ]
    with pytest.raises(ProcessError, match="expected depth maps with ground truth of the same stamp, got none"):
        DemoFrames(session, LENS)


def test_the_bag_holds_every_tenth_frame_and_all_lens_states(session, tmp_path):
    pictured = DemoFrames(session, LENS).pictured()
    write_demo_bag(tmp_path / "session.mcap", session, pictured)
    with open_bag(tmp_path / "session.mcap") as bag:
        messages = {name.name: list(bag.messages([name.name])) for name in bag.topics}
    stamps = {name: [message.time_ns for message in kept] for name, kept in messages.items()}
    for topic in (topics.IMAGE, topics.TRUTH, topics.DEPTH, topics.DEFOCUS, topics.CONFIDENCE):
        assert stamps[f"/{topic}"] == pictured
    assert len(stamps["/lens_state"]) == FRAMES
    assert messages["/image"][0].cdr == session.messages[topics.IMAGE][0].cdr
    depth = deserialize_message(messages["/depth/depth/image"][0].cdr, Image)
    np.testing.assert_allclose(np.frombuffer(depth.data, np.float32)[[0, -1]], [1.1, 2.2], rtol=0.002)
    assert (depth.encoding, depth.header.frame_id, depth.height) == ("32FC1", "camera", SHAPE[0])
