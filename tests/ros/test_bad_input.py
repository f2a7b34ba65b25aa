"""Whatever arrives, the node says once what is wrong, counts it, lives on, and takes the next good frame."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState  # noqa: E402

from defocus_depth.errors import BackendError  # noqa: E402

GOOD_STAMP_NS = 5_000_000_123


def damaged(make_image, damage: str) -> Image:
    image = make_image()
    if damage == "unknown encoding":
        image.encoding = "rgb9"
    elif damage == "wrong step":
        image.step = 95
    elif damage == "truncated":
        image.data = image.data[:-1]
    elif damage == "no data":
        image.data = image.data[:0]
    elif damage == "zero size":
        image.width = image.height = 0
    elif damage == "huge size":
        image.height = 2**32 - 1
    return image


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("unknown encoding", "image encoding: expected one of rgb8, "),
        ("wrong step", "image rgb8 32x24: step: expected at least 96 bytes, got 95"),
        ("truncated", "image rgb8 32x24: data: expected 2304 bytes with step 96, got 2303"),
        ("no data", "image rgb8 32x24: data: expected 2304 bytes with step 96, got 0"),
        ("zero size", "image rgb8 0x0: size: expected at least 1x1, got 0x0"),
        ("huge size", "image rgb8 32x4294967295: data: expected 412316860320 bytes with step 96, got 2304"),
    ],
)
def test_bad_images_are_refused_and_the_next_good_one_is_taken(
    bench, make_image, logged, damage: str, expected: str
) -> None:
    depth = bench.subscribe("depth/image", Image)
    statuses = bench.subscribe("/diagnostics", DiagnosticArray)
    for _ in range(3):
        bench.send("image", damaged(make_image, damage), "refused")
    refusal = bench.spin_until(lambda: own_status(bench, statuses, f"refused: {expected}"))
    assert refusal.level == DiagnosticStatus.ERROR
    errors = [text for text in logged() if "ERROR" in text]
    assert len(errors) == 1 and expected in errors[0]  # thrice refused, once said
    bench.send("image", make_image(), "published")
    bench.spin_until(lambda: depth)
    statuses.clear()
    recovered = bench.spin_until(lambda: own_status(bench, statuses, "", DiagnosticStatus.OK))
    assert {value.key: value.value for value in recovered.values}["images refused"] == "3"


def own_status(bench, messages: list[Any], text: str, level: bytes | None = None) -> DiagnosticStatus | None:
    """The node's newest status that says `text` (and has a level)."""
    statuses = [m.status[0] for m in messages if m.status[0].name == f"{bench.namespace}/depth: depth from defocus"]
    matching = [s for s in statuses if text in s.message and level in (None, s.level)]
    return matching[-1] if matching else None


@pytest.fixture
def logged(capfd: pytest.CaptureFixture[str]):
    """Lines that the node has logged so far."""
    lines: list[str] = []

    def read() -> list[str]:
        captured = capfd.readouterr()
        lines.extend((captured.out + captured.err).splitlines())
        return lines

    return read


def test_bad_compressed_images_are_refused_and_the_next_good_one_is_taken(make_bench) -> None:
    import cv2

    bench = make_bench(image_transport="compressed")
    bench.activate()
    bench.subscribe("depth/image", Image)
    good = cv2.imencode(".png", np.zeros((24, 32), np.uint8))[1].tobytes()
    for data in (b"", b"no picture", good[:40]):
        message = CompressedImage(format="mono8; png compressed mono8")
        message.data.frombytes(data)
        bench.send("image/compressed", message, "refused")
    message = CompressedImage(format="png")
    message.data.frombytes(good)
    bench.send("image/compressed", message, "published")


def test_bad_lens_states_are_refused_and_the_last_good_one_holds(bench, make_image, make_lens_state) -> None:
    bench.subscribe("depth/image", Image)
    bench.publisher("lens_state", JointState).publish(make_lens_state(0.5, 1))
    bench.spin_until(lambda: len(bench.node._session._lens_states) == 1)
    for state in (
        make_lens_state(math.nan, 2),
        make_lens_state(-1.0, 2),
        make_lens_state(1.0, 2, velocity=math.nan),
        make_lens_state(1.0, 2, f_number=math.nan),
        JointState(name=["pan"], position=[1.0]),
        JointState(name=["focus_distance"]),
    ):
        bench.send("lens_state", state, "lens_state_refused")
    bench.send("image", make_image(), "published")
    assert bench.estimator.calls[0][2] == 0.5


def test_a_focus_distance_inside_the_focal_length_is_refused_frame_by_frame(
    make_bench, tiny_model, make_image, make_lens_state
):
    from defocus_depth.inference import load_estimator

    bench = make_bench(lambda parameters: load_estimator(tiny_model, "onnxruntime"))
    bench.activate()
    bench.subscribe("depth/image", Image)
    states = bench.publisher("lens_state", JointState)
    states.publish(make_lens_state(0.007, 1))
    bench.spin_until(lambda: len(bench.node._session._lens_states) == 1)
    bench.send("image", make_image(), "refused")
    assert bench.reasons["refused"].startswith(
        "focus_distance_m: expected beyond the focal length 0.008 m, got 0.007 m"
    )
    states.publish(make_lens_state(0.5, 2))
    bench.spin_until(lambda: len(bench.node._session._lens_states) == 2)
    bench.send("image", make_image(), "published")


def test_stale_and_travelling_lens_states_skip_frames_until_a_fresh_one_at_rest(
    make_bench, make_image, make_lens_state
) -> None:
    bench = make_bench(lens_state_max_age_s=0.5)
    bench.activate()
    bench.subscribe("depth/image", Image)
    statuses = bench.subscribe("/diagnostics", DiagnosticArray)
    states = bench.publisher("lens_state", JointState)

    def lens(number: int, *arguments, **keywords) -> None:
        states.publish(make_lens_state(*arguments, **keywords))
        bench.spin_until(lambda: len(bench.node._session._lens_states) == number)

    lens(1, 0.5, GOOD_STAMP_NS - 600_000_000)
    bench.send("image", make_image(), "lens_state_stale")
    bench.spin_until(
        lambda: own_status(bench, statuses, "lens_state: expected one at most 0.5 s old, got one 0.600 s old")
    )
    lens(2, 0.6, GOOD_STAMP_NS - 100_000_000, velocity=0.2)
    bench.send("image", make_image(), "lens_travelling")
    status = bench.spin_until(lambda: own_status(bench, statuses, "lens travelling"))
    assert status.level == DiagnosticStatus.ERROR
    bench.send("image", make_image(stamp_ns=1), "lens_state_later")
    assert not bench.estimator.calls
    lens(3, 0.7, GOOD_STAMP_NS - 50_000_000, velocity=0.0)
    bench.send("image", make_image(), "published")
    assert bench.estimator.calls[0][2] == 0.7


def test_an_unknown_focus_distance_skips_frames_until_it_is_told(make_bench, make_image, make_lens_state) -> None:
    bench = make_bench(lens_file="", blur_gain_px_per_dpt=20.0)
    bench.activate()
    bench.subscribe("depth/image", Image)
    bench.send("image", make_image(), "focus_unknown")
    bench.publisher("lens_state", JointState).publish(make_lens_state(0.4))
    bench.spin_until(lambda: len(bench.node._session._lens_states) == 1)
    bench.send("image", make_image(), "published")


def test_a_failing_backend_costs_the_frame_only(bench, make_image) -> None:
    bench.subscribe("depth/image", Image)
    bench.estimator.error = BackendError("out of memory")
    bench.send("image", make_image(), "refused")
    bench.estimator.error = ZeroDivisionError("a bug")
    bench.send("image", make_image(), "failed")
    assert bench.reasons["failed"] == "ZeroDivisionError: a bug"
    bench.estimator.error = None
    bench.send("image", make_image(), "published")


def test_a_camera_info_of_another_shape_costs_the_points_only(make_bench, make_image) -> None:
    bench = make_bench(publish_points=True)
    bench.activate()
    depth, infos = bench.subscribe("depth/image", Image), bench.subscribe("depth/camera_info", CameraInfo)
    info = CameraInfo(width=640, height=360)
    info.k = [1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]
    bench.publisher("camera_info", CameraInfo).publish(info)
    bench.spin_until(lambda: bench.node._session._camera.info is not None)
    bench.send("image", make_image(), "camera_info")
    bench.spin_until(lambda: depth)
    assert not infos
    assert "expected the shape of the image 32x24" in bench.reasons["camera_info"]


def test_silence_is_reported_as_stale_input(make_bench, make_image) -> None:
    bench = make_bench(stale_after_s=0.2)
    bench.activate()
    statuses = bench.subscribe("/diagnostics", DiagnosticArray)
    status = bench.spin_until(lambda: own_status(bench, statuses, "stale input"))
    assert status.level == DiagnosticStatus.ERROR
    assert f"no image on {bench.namespace}/image for" in status.message
