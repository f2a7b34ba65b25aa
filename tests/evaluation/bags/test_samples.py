"""Images of bags as samples: matching, lens, focus and placing, and every usual way for a recording to be odd."""

from __future__ import annotations

import dataclasses
import math
import struct

import numpy as np
import pytest
from bag_maker import CAMERA, FRAME_NS, SECOND, SIZE, START_NS, TOPICS, depth_of
from hypothesis import given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import StoragePlugin
from rosbags.typesys import Stores

from defocus_depth.errors import BagError, ConfigError
from defocus_depth.evaluation.bags import pairing, standard
from defocus_depth.evaluation.bags.index import NO_STAMP, NONE, RecordedLensStates, nearest
from defocus_depth.evaluation.bags.options import BagOptions
from defocus_depth.evaluation.bags.samples import BagSamples
from defocus_depth.messages.lens_state import LensState
from defocus_depth.types import CameraIntrinsics

LEVELS = (40, 200, 120)
IMAGE_AND_TRUTH = BagOptions("/image", ground_truth_topic="/depth")


def levels_of(samples: BagSamples) -> list[int]:
    return [int(sample.image[0, 0, 0]) for sample in samples]


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
@pytest.mark.parametrize("store", [Stores.ROS2_HUMBLE, Stores.ROS2_JAZZY, Stores.ROS2_KILTED])
def test_every_storage_and_distribution(maker, make_request, tmp_path, storage, store) -> None:
    maker.frames(LEVELS)
    samples = BagSamples(maker.write(tmp_path / "bag", storage, store), make_request())
    assert len(samples) == 3
    for sample, level, number in zip(samples, LEVELS, range(3), strict=True):
        assert (sample.name, sample.group) == (f"bag/{number:06}", "bag")
        assert sample.stamp_ns == START_NS + number * FRAME_NS and sample.transfer == "srgb"
        np.testing.assert_array_equal(sample.image, np.full((*SIZE, 3), level))
        np.testing.assert_array_equal(sample.truth_depth_m, np.full(SIZE, np.float32(depth_of(level))))
        assert sample.focus_distance_m == 0.35
    assert (samples.tally.images, samples.tally.evaluated) == (3, 3)
    assert levels_of(samples) == list(LEVELS)  # a second time


def test_compressed_images_and_compressed_depth_in_millimetres(maker, make_request, tmp_path) -> None:
    topics = BagOptions("/camera/compressed", ground_truth_topic="/camera/compressedDepth")
    for index, level in enumerate(LEVELS):
        stamp_ns = START_NS + index * FRAME_NS
        maker.compressed(
            topics.image_topic, stamp_ns, np.full((*SIZE, 3), level, np.uint8), "rgb8; png compressed bgr8"
        )
        depth = np.full(SIZE, 100 * level, np.uint16)
        maker.compressed(
            topics.ground_truth_topic, stamp_ns, depth, "16UC1; compressedDepth png", struct.pack("<iff", 0, 0, 0)
        )
    samples = BagSamples(maker.write(tmp_path / "bag"), make_request(topics))
    for sample, level in zip(samples, LEVELS, strict=True):
        np.testing.assert_allclose(sample.truth_depth_m, level / 10)
        assert sample.image[3, 4, 1] == level


def test_without_ground_truth_all_of_it_is_unknown(maker, make_request, tmp_path) -> None:
    maker.frames(LEVELS)
    samples = BagSamples(maker.write(tmp_path / "bag"), make_request(BagOptions("/image")))
    assert all(np.isnan(sample.truth_depth_m).all() and sample.truth_depth_m.shape == SIZE for sample in samples)


@settings(deadline=None)
@given(st.lists(st.integers(0, 1000), max_size=30), st.lists(st.integers(0, 1000), max_size=30), st.integers(0, 50))
def test_the_nearest_stamp_within_the_tolerance(stamps, others, tolerance) -> None:
    found = nearest(np.array(stamps, np.int64), np.array(others, np.int64), tolerance)
    for stamp, index in zip(stamps, found, strict=True):
        least = min((abs(other - stamp) for other in others), default=math.inf)
        assert (index == NONE) == (least > tolerance)
        assert index == NONE or abs(others[index] - stamp) == least


def test_a_message_without_stamp_matches_nothing() -> None:
    assert list(nearest(np.array([NO_STAMP]), np.array([NO_STAMP]), 10)) == [NONE]


def test_ground_truth_is_matched_by_stamp_whatever_the_order_in_the_bag(maker, make_request, tmp_path) -> None:
    """Truth of the first image long after it, of the second before it, of the third beyond the tolerance."""
    second = FRAME_NS
    maker.image(START_NS, 40)
    maker.truth(START_NS + second + 5, depth_of(200), time_ns=START_NS + 1)
    maker.image(START_NS + second, 200)
    maker.truth(START_NS - 70_000_000, depth_of(40), time_ns=START_NS + 3 * second)
    maker.image(START_NS + 10 * second, 120, time_ns=START_NS + 4 * second)
    maker.truth(START_NS + 10 * second + 80_000_000, depth_of(120), time_ns=START_NS + 5 * second)
    samples = BagSamples(maker.write(tmp_path / "bag"), make_request(IMAGE_AND_TRUTH))
    found = [(int(s.image[0, 0, 0]), round(float(s.truth_depth_m[0, 0]), 4)) for s in samples]
    assert found == [(40, round(depth_of(40), 4)), (200, round(depth_of(200), 4))]
    assert samples.tally.left_out == {"no_ground_truth": 1}
    assert "expected ground truth within 0.075 s" in samples.tally.words()


def test_one_ground_truth_serves_several_images(maker, make_request, tmp_path) -> None:
    for index in range(3):
        maker.image(START_NS + index * 20_000_000, 40 + index)
    maker.truth(START_NS + 20_000_000, 1.5)
    samples = BagSamples(maker.write(tmp_path / "bag"), make_request(IMAGE_AND_TRUTH))
    assert levels_of(samples) == [40, 41, 42]


def test_stamps_out_of_order_and_twice(maker, make_request, tmp_path) -> None:
    stamps = [START_NS, START_NS + 3 * FRAME_NS, START_NS + FRAME_NS, START_NS + FRAME_NS]
    for index, stamp_ns in enumerate(stamps):
        maker.image(stamp_ns, 40 + index, time_ns=START_NS + index)
        maker.truth(stamp_ns, 1 + index, time_ns=START_NS + index)
    samples = BagSamples(maker.write(tmp_path / "bag"), make_request(IMAGE_AND_TRUTH))
    found = [(s.stamp_ns, int(s.image[0, 0, 0]), float(s.truth_depth_m[0, 0])) for s in samples]
    assert found[:3] == [(stamps[0], 40, 1.0), (stamps[1], 41, 2.0), (stamps[2], 42, 3.0)]
    assert found[3][:2] == (stamps[3], 43)


def test_a_changing_resolution(maker, make_request, tmp_path) -> None:
    for index, size in enumerate([(64, 96), (32, 48), (64, 96)]):
        maker.image(START_NS + index * FRAME_NS, 40, size=size)
        maker.truth(START_NS + index * FRAME_NS, 2.0, size=size)
    samples = BagSamples(maker.write(tmp_path / "bag"), make_request(IMAGE_AND_TRUTH))
    assert [s.truth_depth_m.shape for s in samples] == [(64, 96), (32, 48), (64, 96)]


def test_the_lens_state_at_the_stamp_holds_and_a_travelling_lens_is_left_out(maker, make_request, tmp_path) -> None:
    for index in range(5):
        maker.image(START_NS + index * FRAME_NS, 40 + index)
    # Recorded late and in disorder: only stamps count.
    end_ns = START_NS + SECOND
    maker.lens(START_NS + 1 * FRAME_NS + 1, math.inf, time_ns=end_ns + 3)
    maker.lens(START_NS - 5, 0.4, time_ns=end_ns + 2)
    maker.lens(START_NS + 3 * FRAME_NS - 1, 0.7, velocity=0.2, time_ns=end_ns + 1)
    maker.lens(START_NS + 4 * FRAME_NS, 0.8, time_ns=end_ns)
    topics = BagOptions("/image", lens_state_topic="/lens_state")
    samples = BagSamples(maker.write(tmp_path / "bag"), make_request(topics, focus_m=None))
    assert [(int(s.image[0, 0, 0]), s.focus_distance_m) for s in samples] == [
        (40, 0.4), (41, 0.4), (42, math.inf), (44, 0.8)
    ]  # fmt: skip
    assert samples.tally.left_out == {"lens_travelling": 1}


@pytest.mark.parametrize("kind", [standard.FLOAT32, standard.FLOAT64])
def test_focus_distances_without_stamps_hold_from_when_they_were_recorded(maker, make_request, tmp_path, kind) -> None:
    for index in range(4):  # stamps lie in another clock
        maker.image(7 * SECOND + index * FRAME_NS, 40 + index, time_ns=START_NS + index * FRAME_NS)
    maker.number("/focus", kind, START_NS + FRAME_NS, 0.5)
    maker.number("/focus", kind, START_NS + 2 * FRAME_NS + 1, -1.0)
    request = make_request(BagOptions("/image", lens_state_topic="/focus"), focus_m=None, lens_state_max_age_s=0.15)
    samples = BagSamples(maker.write(tmp_path / "bag"), request)
    assert [(int(s.image[0, 0, 0]), s.focus_distance_m) for s in samples] == [(41, 0.5), (42, 0.5)]
    assert samples.tally.left_out == {"lens_state_later": 1, "lens_state_stale": 1}


def test_every_sample_knows_the_lens_s_near_focus(maker, make_request, tmp_path) -> None:
    for index in range(2):
        maker.image(START_NS + index * FRAME_NS, 40 + index)
    request = make_request(BagOptions("/image"), focus_m=0.5)
    known = dataclasses.replace(request, lens=dataclasses.replace(request.lens, near_focus_m=0.12))
    bag = maker.write(tmp_path / "bag")
    assert [sample.near_focus_m for sample in BagSamples(bag, request)] == [None, None]
    assert [sample.near_focus_m for sample in BagSamples(bag, known)] == [0.12, 0.12]


def test_all_lens_states_are_asked_by_stamp() -> None:
    states = RecordedLensStates([LensState(5, 0.5), LensState(1, 0.1), LensState(5, 0.6)])
    found = [states.at(stamp) for stamp in (0, 1, 4, 5, 99)]
    assert [state and state.focus_distance_m for state in found] == [None, 0.1, 0.1, 0.6, 0.6]


def test_a_region_of_interest_changes_the_lens_not_the_blur(maker, make_request, tmp_path) -> None:
    """camera_info of the full sensor, twice as wide, comes after the image that it belongs to."""
    maker.image(START_NS, 40)
    info = standard.parsed(standard.camera_info(standard.header(START_NS, ""), CAMERA), standard.CAMERA_INFO)
    info.width, info.height = 2 * SIZE[1], 2 * SIZE[0]
    info.roi.width, info.roi.height = SIZE[1], SIZE[0]
    maker.add("/camera_info", standard.CAMERA_INFO, START_NS + 1, standard.serialised(info, standard.CAMERA_INFO))
    request = make_request(BagOptions("/image", "/camera_info"))
    lens = dataclasses.replace(request.lens.lens, image_width_px=2 * SIZE[1])
    request = dataclasses.replace(request, lens=dataclasses.replace(request.lens, lens=lens))
    (sample,) = BagSamples(maker.write(tmp_path / "bag"), request)
    assert sample.blur_gain_px_per_dpt == pytest.approx(4.0)


def test_broken_messages_are_counted_and_the_rest_is_used(maker, make_request, tmp_path) -> None:
    maker.frames(LEVELS)
    maker.add("/image", standard.IMAGE, START_NS + 5, b"\0\1\0\0short")
    broken = standard.parsed(maker.entries[2].cdr, standard.IMAGE)
    broken.encoding = "rgb9"
    maker.add("/image", standard.IMAGE, START_NS + 6, standard.serialised(broken, standard.IMAGE))
    maker.add("/lens_state", standard.JOINT_STATE, START_NS + 7, b"\0\1\0\0short")
    maker.add("/camera_info", standard.CAMERA_INFO, START_NS - 1, b"\0\1\0\0short")
    maker.add("/tf_static", standard.TRANSFORMS, START_NS + 7, b"\0\1\0\0short")
    samples = BagSamples(maker.write(tmp_path / "bag"), make_request())
    assert levels_of(samples) == list(LEVELS)
    assert samples.tally.left_out == {"no_ground_truth": 1, "refused": 1}
    assert "got 'rgb9'" in samples.tally.reasons["refused"]


def test_lens_states_that_no_lens_can_have_are_told(maker, make_request, tmp_path) -> None:
    maker.frames(LEVELS)
    maker.lens(START_NS + 1, -1.0)
    samples = BagSamples(maker.write(tmp_path / "bag"), make_request())
    assert samples.remarks() == ["1 lens states refused: lens_state focus_distance: expected > 0, got -1.0"]


def test_a_lens_state_topic_that_says_nothing_usable_is_no_focus(maker, make_request, tmp_path) -> None:
    maker.image(START_NS, 40)
    maker.lens(START_NS, -1.0)
    request = make_request(BagOptions("/image", lens_state_topic="/lens_state"))
    with pytest.raises(BagError, match="topic /lens_state: expected a usable message, got lens_state focus_distance: "):
        BagSamples(maker.write(tmp_path / "bag"), request)


@pytest.mark.parametrize("broken", [False, True])
def test_images_without_stamps_are_matched_by_the_times_of_recording(maker, make_request, tmp_path, broken) -> None:
    if broken:
        maker.add("/image", standard.IMAGE, START_NS - 1, b"\0\1\0\0")
    for index, level in enumerate(LEVELS):
        time_ns = START_NS + index * FRAME_NS
        maker.lens(0, 0.5 + index, time_ns=time_ns)
        maker.image(0, level, time_ns=time_ns + 1)
        maker.truth(0, depth_of(level), time_ns=time_ns + 2)
    topics = BagOptions("/image", ground_truth_topic="/depth", lens_state_topic="/lens_state")
    samples = BagSamples(maker.write(tmp_path / "bag"), make_request(topics))
    found = [(s.focus_distance_m, float(s.truth_depth_m[0, 0])) for s in samples]
    assert found == [(0.5 + index, pytest.approx(depth_of(level))) for index, level in enumerate(LEVELS)]
    assert samples.remarks() == ["all images are stamped 0 ns: the times of recording were compared"]


def test_a_bag_without_any_usable_image_says_why(maker, make_request, tmp_path) -> None:
    maker.frames(LEVELS)
    for entry in list(maker.entries):
        if entry.topic == "/depth":
            maker.entries.remove(entry)
    maker.truth(START_NS + 99 * SECOND, 1.0)
    samples = BagSamples(maker.write(tmp_path / "bag"), make_request())
    with pytest.raises(BagError, match="bag: expected at least one usable image, got 3 no_ground_truth: expected gro"):
        list(samples)


@pytest.mark.parametrize(
    ("topics", "expected"),
    [
        (BagOptions("/none"), "image topic /none: expected type .*Image.*, got no such topic .*: /depth, /image"),
        (BagOptions("/camera_info"), "image topic /camera_info: .*got it of type sensor_msgs/msg/CameraInfo"),
        (BagOptions("/image", "/info"), "camera_info topic /info: .*got no such topic .of that type: /camera_info"),
        (BagOptions("/image", ground_truth_topic="/truth"), "ground-truth topic /truth: .*no such topic"),
        (BagOptions("/image", lens_state_topic="/image"), "lens-state topic /image: .*got it of type .*/msg/Image"),
    ],
)
def test_missing_topics_are_named(plain_bag, make_request, topics, expected) -> None:
    with pytest.raises(BagError, match=expected):
        BagSamples(plain_bag, make_request(topics))


def test_a_topic_without_messages_and_values_out_of_range(maker, make_request, plain_bag, tmp_path) -> None:
    with pytest.raises(ConfigError, match="focus distance: expected a lens-state topic, a focus distance or"):
        make_request(BagOptions("/image"), focus_m=None)
    with pytest.raises(ConfigError, match="tolerance_s: expected a finite number ≥ 0, got -1"):
        make_request(tolerance_s=-1)
    with pytest.raises(ConfigError, match="transfer: expected one of auto, srgb, linear, gamma, got 'rec709'"):
        make_request(transfer="rec709")
    (linear, *_) = BagSamples(plain_bag, make_request(transfer="linear"))
    assert linear.transfer == "linear"


def test_what_must_be_held_is_bounded(maker, make_request, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(pairing, "MOST_HELD_BYTES", 3 * SIZE[0] * SIZE[1] * 3)
    for index in range(5):
        maker.image(START_NS + index * FRAME_NS, 40)
        maker.truth(START_NS + index * FRAME_NS, 1.0, time_ns=START_NS + 60 * SECOND + index)
    samples = BagSamples(maker.write(tmp_path / "bag"), make_request(IMAGE_AND_TRUTH))
    with pytest.raises(BagError, match="expected images, camera_info and ground truth of one time near each other"):
        list(samples)


MOVED = {"frame_id": "depth_optical_frame"}


def add_static_transform(maker, x_m: float) -> None:
    types = standard.standard_types().types
    geometry = "geometry_msgs/msg/"
    transform = types[geometry + "Transform"](
        types[geometry + "Vector3"](x_m, 0.0, 0.0), types[geometry + "Quaternion"](0.0, 0.0, 0.0, 1.0)
    )
    stamped = types[geometry + "TransformStamped"](
        standard.header(0, "camera_optical_frame"), "depth_optical_frame", transform
    )
    message = types[standard.TRANSFORMS]([stamped])
    maker.add("/tf_static", standard.TRANSFORMS, START_NS - 1, standard.serialised(message, standard.TRANSFORMS))


def test_truth_of_another_camera_is_reprojected_by_tf_static(maker, make_request, tmp_path) -> None:
    """A near strip, seen by a camera 0.1 m to the right, lies 90·0.1/1 px further right in the image."""
    depth_m = np.full(SIZE, 4.0, np.float32)
    depth_m[:, 40:50] = 1.0
    maker.info(START_NS)
    maker.image(START_NS, 40)
    maker.info(START_NS, topic="/depth_info")
    maker.truth(START_NS, depth_m, **MOVED)
    add_static_transform(maker, 0.1)
    path = maker.write(tmp_path / "bag")
    request = make_request(dataclasses.replace(TOPICS, ground_truth_info_topic="/depth_info", lens_state_topic=""))
    samples = BagSamples(path, request)
    (sample,) = samples
    assert set(np.nonzero(sample.truth_depth_m[30] == 1.0)[0]) == set(range(49, 59))
    assert samples.aligner.done == {"ground truth reprojected from 'depth_optical_frame' into 'camera_optical_frame'"}
    options = dataclasses.replace(request.options, registered=True)
    (as_registered,) = BagSamples(path, dataclasses.replace(request, options=options))
    np.testing.assert_array_equal(as_registered.truth_depth_m, depth_m)


def test_what_is_missing_to_reproject_is_named(maker, make_request, tmp_path) -> None:
    maker.image(START_NS, 40)
    maker.truth(START_NS, 1.0, **MOVED)
    uncalibrated = standard.parsed(standard.camera_info(standard.header(0, ""), CAMERA), standard.CAMERA_INFO)
    uncalibrated.k = np.zeros(9)
    maker.add("/camera_info", standard.CAMERA_INFO, START_NS, standard.serialised(uncalibrated, standard.CAMERA_INFO))
    maker.info(START_NS, topic="/depth_info")
    request = make_request(dataclasses.replace(TOPICS, ground_truth_info_topic="/depth_info", lens_state_topic=""))
    with pytest.raises(BagError, match="expected it in the images' frame 'camera_optical_frame', or a transform"):
        list(BagSamples(maker.write(tmp_path / "without_tf"), request))
    add_static_transform(maker, 0.1)
    path = maker.write(tmp_path / "with_tf")
    with pytest.raises(BagError, match="the images' camera_info: expected a calibrated one .*got one with K of zeros"):
        list(BagSamples(path, request))
    without_info = dataclasses.replace(request, options=dataclasses.replace(request.options, camera_info_topic=""))
    with pytest.raises(BagError, match="the images' camera_info: expected a calibrated one .*, got none"):
        list(BagSamples(path, without_info))


def test_registered_truth_of_another_size_is_resized_and_of_another_camera_reprojected(
    maker, make_request, tmp_path
) -> None:
    maker.info(START_NS)
    maker.image(START_NS, 40)
    small = np.full((32, 48), 2.0, np.float32)
    small[:16] = 1.0
    maker.truth(START_NS, small)
    topics = dataclasses.replace(TOPICS, lens_state_topic="")
    samples = BagSamples(maker.write(tmp_path / "resized"), make_request(topics))
    (sample,) = samples
    assert sample.truth_depth_m.shape == SIZE and (sample.truth_depth_m[:32] == 1.0).all()
    assert samples.aligner.done == {"ground truth resized to the images"}
    wide = CameraIntrinsics(48, 32, 30.0, 30.0, 23.5, 15.5)
    maker.info(START_NS, wide, topic="/depth_info")
    request = make_request(dataclasses.replace(topics, ground_truth_info_topic="/depth_info"))
    (sample,) = BagSamples(maker.write(tmp_path / "reprojected"), request)
    assert (sample.truth_depth_m[:31] == 1.0).all() and (sample.truth_depth_m[33:] == 2.0).all()


def test_a_truth_of_another_shape_is_refused(maker, make_request, tmp_path) -> None:
    maker.image(START_NS, 40)
    maker.truth(START_NS, 1.0, size=(50, 50))
    with pytest.raises(BagError, match="expected the shape of the images 96x64, got 50x50 and no camera_info"):
        list(BagSamples(maker.write(tmp_path / "bag"), make_request(IMAGE_AND_TRUTH)))
