"""Encoding is the inverse of decoding, and refuses arrays that are not what the encoding says."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="ROS message packages are not installed")

from std_msgs.msg import Header  # noqa: E402

from defocus_depth.errors import ImageError  # noqa: E402
from defocus_depth.messages.decode import decode_image  # noqa: E402
from defocus_depth.ros.messages.encode import image_message  # noqa: E402

RNG = np.random.default_rng(2)
RGB = RNG.integers(0, 256, (5, 7, 3), np.uint8)


@pytest.mark.parametrize("array", [RGB, RGB[:, ::-1], np.asfortranarray(RGB)])
def test_rgb8_survives_the_way_there_and_back_from_any_memory_layout(array: np.ndarray) -> None:
    message = image_message(Header(frame_id="camera"), array, "rgb8")
    np.testing.assert_array_equal(decode_image(message).array, array)
    assert (message.header.frame_id, message.step, len(message.data)) == ("camera", 21, 105)


@pytest.mark.parametrize(
    ("encoding", "array"),
    [
        ("32FC1", np.array([[0.5, np.nan], [2, np.inf]], np.float32)),
        ("16UC1", np.array([[0, 65535], [1, 256]], np.uint16)),
    ],
)
def test_depth_maps_keep_every_bit(encoding: str, array: np.ndarray) -> None:
    message = image_message(Header(), array, encoding)
    np.testing.assert_array_equal(
        np.frombuffer(message.data, array.dtype).reshape(message.height, message.width), array
    )
    assert message.encoding == encoding


@pytest.mark.parametrize(
    ("encoding", "array", "expected"),
    [
        ("rgb9", RGB, "expected one of .* got 'rgb9'"),
        ("32FC1", RGB[..., 0], r"32FC1: expected 1 channel\(s\) of float32, got \(5, 7\) of uint8"),
        ("rgb8", RGB[..., 0], r"rgb8: expected 3 channel\(s\) of uint8, got \(5, 7\) of uint8"),
        ("mono8", RGB[:0, :, 0], r"mono8: expected 1 channel\(s\) of uint8, got \(0, 7\)"),
    ],
)
def test_arrays_of_another_kind_are_refused(encoding: str, array: np.ndarray, expected: str) -> None:
    with pytest.raises(ImageError, match=expected):
        image_message(Header(), array, encoding)
