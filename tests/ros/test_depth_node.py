"""The node's main path over real DDS: images in, maps out."""

from __future__ import annotations

import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState, PointCloud2  # noqa: E402

from defocus_depth.messages.layout import ENCODINGS  # noqa: E402
from defocus_depth.ros.compatibility import UnsupportedEventTypeError  # noqa: E402
from defocus_depth.ros.messages.points import POINT_DTYPE  # noqa: E402

GREY = np.full((24, 32), 100, np.uint8)


def values(message: Image, dtype: type = np.float32) -> np.ndarray:
    return np.frombuffer(message.data, dtype).reshape(message.height, message.width)


def test_every_map_comes_out_under_the_images_own_header(bench, make_image) -> None:
    maps = {name: bench.subscribe(name, Image) for name in ("depth/image", "defocus/image", "confidence/image")}
    color = bench.subscribe("depth/color", Image)
    image = make_image()
    bench.send("image", image, "published")
    bench.spin_until(lambda: color and all(maps.values()))
    assert all(message[0].header == image.header and message[0].encoding == "32FC1" for message in maps.values())
    assert (color[0].header, color[0].encoding, len(color[0].data)) == (image.header, "bgr8", 24 * 32 * 3)
    np.testing.assert_array_equal(values(maps["depth/image"][0]), 1)
    np.testing.assert_array_equal(values(maps["defocus/image"][0]), -2)
    np.testing.assert_allclose(values(maps["confidence/image"][0])[0], np.linspace(0, 1, 32), rtol=1e-6)


def test_every_encoding_reaches_the_estimator(bench, make_image) -> None:
    bench.subscribe("depth/image", Image)
    for name, entry in ENCODINGS.items():
        shape = (24 * entry.rows_numerator // 2, 32, entry.channels)
        image = make_image(np.full(shape, 128, entry.dtype), name)
        image.height = 24
        bench.send("image", image, "published")
        array, _, focus_distance_m, transfer = bench.estimator.calls[-1]
        assert (array.shape[:2], array.dtype) == ((24, 32), entry.dtype), name
        assert (focus_distance_m, transfer) == (0.35, entry.transfer), name
    assert len(bench.estimator.calls) == len(ENCODINGS)


def test_the_compressed_transport_takes_jpeg_and_png(make_bench) -> None:
    bench = make_bench(image_transport="compressed")
    bench.activate()
    bench.subscribe("depth/image", Image)
    for extension in ("jpeg", "png"):
        message = CompressedImage(format=f"mono8; {extension} compressed mono8")
        message.data.frombytes(cv2.imencode(f".{extension}", GREY)[1].tobytes())
        bench.send("image/compressed", message, "published")
    assert [call[0].shape for call in bench.estimator.calls] == [(24, 32)] * 2
    np.testing.assert_array_equal(bench.estimator.calls[1][0], GREY)


def test_nothing_is_done_that_nobody_subscribes_to(bench, make_image) -> None:
    bench.send("image", make_image(), "unwatched")
    assert not bench.estimator.calls and not bench.counts["published"]
    bad = make_image(encoding="rgb9")
    bench.send("image", bad, "unwatched")  # not even decoded
    confidence = bench.subscribe("confidence/image", Image)
    bench.send("image", make_image(), "published")
    bench.spin_until(lambda: confidence)
    assert len(bench.estimator.calls) == 1


def test_camera_info_alone_needs_no_inference(bench, make_image) -> None:
    infos = bench.subscribe("depth/camera_info", CameraInfo)
    bench.publisher("camera_info", CameraInfo).publish(camera_info())
    bench.spin_until(lambda: bench.node._session._camera.info is not None)
    image = make_image()
    bench.send("image", image, "published")
    bench.spin_until(lambda: infos)
    assert not bench.estimator.calls
    assert infos[0].header == image.header
    assert (infos[0].width, infos[0].height, infos[0].k[0]) == (32, 24, 20.0)


def camera_info(distortion: tuple[float, ...] = ()) -> CameraInfo:
    info = CameraInfo(width=64, height=48, distortion_model="plumb_bob", d=list(distortion))
    info.k = [40.0, 0.0, 31.5, 0.0, 40.0, 23.5, 0.0, 0.0, 1.0]
    return info


def test_the_point_cloud_is_off_by_default(bench) -> None:
    assert not [name for name, _ in bench.node.get_topic_names_and_types() if name.endswith("/points")]
    assert not [name for name, _ in bench.node.get_topic_names_and_types() if name.endswith("/image_raw")]


def test_the_point_cloud_undoes_distortion_and_keeps_unknown_points(make_bench, make_image) -> None:
    bench = make_bench(publish_points=True, min_confidence=0.5)
    bench.activate()
    clouds = bench.subscribe("points", PointCloud2)
    distortion = (-0.3, 0.1, 0.0, 0.0, 0.0)
    bench.publisher("camera_info", CameraInfo).publish(camera_info(distortion))
    bench.spin_until(lambda: bench.node._session._camera.info is not None)
    image = make_image()
    bench.send("image", image, "published")
    bench.spin_until(lambda: clouds)
    points = np.frombuffer(clouds[0].data, POINT_DTYPE).reshape(24, 32)
    assert clouds[0].header == image.header
    assert np.isnan(points["z"][:, 0]).all() and np.isnan(points["x"][:, 0]).all()
    np.testing.assert_array_equal(points["z"][:, 31], 1)
    matrix = np.array([[20.0, 0, 15.5], [0, 20.0, 11.5], [0, 0, 1]])
    corner = np.array([[[points["x"][23, 31], points["y"][23, 31], 1.0]]], np.float64)
    pixel = cv2.projectPoints(corner, np.zeros(3), np.zeros(3), matrix, np.array(distortion))[0].ravel()
    np.testing.assert_allclose(pixel, (31, 23), atol=1e-3)


def test_an_uncalibrated_camera_gives_depth_and_a_warning_but_no_points(make_bench, make_image) -> None:
    bench = make_bench(publish_points=True)
    bench.activate()
    clouds, depth = bench.subscribe("points", PointCloud2), bench.subscribe("depth/image", Image)
    bench.send("camera_info", CameraInfo(width=32, height=24), "camera_info")
    bench.send("image", make_image(), "camera_info")
    bench.spin_until(lambda: depth)
    assert not clouds
    assert "expected fx, fy > 0 in K" in bench.reasons["camera_info"]


def test_millimetres_by_parameter(make_bench, make_image) -> None:
    bench = make_bench(publish_depth_mm=True, min_confidence=0.5)
    bench.activate()
    depths = bench.subscribe("depth/image_raw", Image)
    bench.send("image", make_image(), "published")
    bench.spin_until(lambda: depths)
    millimetres = values(depths[0], np.uint16)
    assert depths[0].encoding == "16UC1" and set(millimetres[0]) == {0, 1000} and millimetres[0, 31] == 1000


def test_while_busy_the_newest_frame_wins_and_the_replaced_are_counted(bench, make_image) -> None:
    bench.subscribe("depth/image", Image)
    estimator = bench.estimator
    estimator.may_go_on.clear()
    bench.publisher("image", Image).publish(make_image(stamp_ns=1))
    bench.spin_until(lambda: estimator.calls)
    for stamp in (2, 3, 4):
        bench.send("image", make_image(np.full((24, 32, 3), stamp, np.uint8), stamp_ns=stamp), "received")
    assert bench.counts["replaced"] == 2
    estimator.may_go_on.set()
    bench.spin_until(lambda: bench.counts["published"] == 2)
    assert [call[0][0, 0, 0] for call in estimator.calls] == [128, 4]


def test_images_that_the_middleware_lost_are_counted(bench) -> None:
    handlers = bench.node._session._inputs._subscriptions[-1].event_handlers
    lost = [handler for handler in handlers if "MESSAGE_LOST" in handler.event_type.name]
    lost[0].callback(SimpleNamespace(total_count=7, total_count_change=3))
    assert bench.counts["lost"] == 3


def test_a_middleware_that_reports_no_losses_will_do(make_bench, make_image, monkeypatch) -> None:
    bench = make_bench()
    create = bench.node.create_subscription

    def without_events(*arguments, event_callbacks=None, **options):
        if event_callbacks and event_callbacks.message_lost:
            raise UnsupportedEventTypeError("no such event")
        return create(*arguments, **options)

    monkeypatch.setattr(bench.node, "create_subscription", without_events)
    bench.activate()
    bench.send("image", make_image(), "unwatched")


def test_lens_state_overrides_the_parameters_per_image(bench, make_image, make_lens_state) -> None:
    bench.subscribe("depth/image", Image)
    bench.send("image", make_image(), "published")
    for state in (
        make_lens_state(0.5, 1000),
        make_lens_state(math.inf, 2000, velocity=0.0, f_number=2.8, focal_length=0.016),
        make_lens_state(1.5, 3000),
    ):
        bench.publisher("lens_state", type(state)).publish(state)
    bench.spin_until(lambda: len(bench.node._session._lens_states) == 3)
    for stamp in (1999, 2000, 10**12):
        bench.send("image", make_image(stamp_ns=stamp), "published")
    assert [call[2] for call in bench.estimator.calls] == [0.35, 0.5, math.inf, 1.5]
    assert [(call[1].f_number, call[1].focal_length_m) for call in bench.estimator.calls] == [
        (1.4, 0.008),
        (1.4, 0.008),
        (2.8, 0.016),
        (1.4, 0.008),
    ]


def test_a_crop_told_by_camera_info_keeps_the_blur_of_the_whole_image(bench, make_image) -> None:
    bench.subscribe("depth/image", Image)
    info = camera_info()
    info.roi.width, info.roi.height = 32, 24
    bench.publisher("camera_info", CameraInfo).publish(info)
    bench.spin_until(lambda: bench.node._session._camera.info is not None)
    bench.send("image", make_image(), "published")
    lens = bench.estimator.calls[0][1]
    assert lens.image_width_px is None
    assert lens.pixel_pitch_m == pytest.approx(6e-6 * 320 / 64)  # robot: 6 µm at 320 px; the whole image has 64


def test_what_a_publisher_that_keeps_its_states_says_counts_once(bench, make_lens_state) -> None:
    kept = QoSProfile(depth=50, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    lens = bench.tester.create_publisher(JointState, f"{bench.namespace}/lens_state", kept)
    bench.spin_until(lambda: lens.get_subscription_count() == 2)
    for focus_m in (-1.0, 0.5, 0.6):
        lens.publish(make_lens_state(focus_m, stamp_ns=1000))
    bench.spin_until(lambda: len(bench.node._session._lens_states) >= 2)
    bench.spin_for(0.3)
    assert len(bench.node._session._lens_states) == 2 and bench.counts["lens_state_refused"] == 1
