"""CameraInfo with region of interest, binning and resize, against points projected by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="ROS message packages are not installed")

from sensor_msgs.msg import CameraInfo, RegionOfInterest  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from defocus_depth.errors import ImageError  # noqa: E402
from defocus_depth.messages.camera_info import (  # noqa: E402
    camera_info_for,
    camera_model,
    full_width_px,
    is_calibrated,
)


def info(width: int = 1280, height: int = 960, **changes) -> CameraInfo:
    message = CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=[0.1, 0.0, 0.0, 0.0, 0.0])
    message.k = [1000.0, 0.0, 650.0, 0.0, 900.0, 470.0, 0.0, 0.0, 1.0]
    message.p = [1000.0, 0.0, 650.0, -50.0, 0.0, 900.0, 470.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def test_the_model_of_an_unscaled_image_is_k() -> None:
    model = camera_model(info(), 1280, 960)
    lens = model.intrinsics
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == (1000, 900, 650, 470)
    assert lens.distortion == (0.1, 0, 0, 0, 0)
    assert model.distortion_model == "plumb_bob"


def test_a_resized_image_keeps_pixel_centres() -> None:
    lens = camera_model(info(), 640, 480).intrinsics
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == (500, 450, 650.5 / 2 - 0.5, 470.5 / 2 - 0.5)


def test_region_of_interest_and_binning_follow_image_geometry() -> None:
    roi = RegionOfInterest(x_offset=320, y_offset=240, width=640, height=480)
    model = camera_model(info(roi=roi, binning_x=2, binning_y=2), 320, 240)
    lens = model.intrinsics
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == (500, 450, (650 - 320) / 2, (470 - 240) / 2)


def test_the_uncropped_width_is_at_the_images_own_scale() -> None:
    roi = RegionOfInterest(x_offset=320, y_offset=240, width=640, height=480)
    assert full_width_px(info(roi=roi, binning_x=2, binning_y=2), 320) == 640
    assert full_width_px(info(roi=roi), 640) == 1280
    assert full_width_px(info(), 640) == 640
    assert full_width_px(CameraInfo(), 640) == 640


@pytest.mark.parametrize("size", [(1280, 960), (640, 480), (320, 240)])
def test_the_republished_info_gives_the_same_model_as_the_original(size: tuple[int, int]) -> None:
    roi = RegionOfInterest(x_offset=320, y_offset=240, width=640, height=480)
    for original in (info(), info(roi=roi), info(roi=roi, binning_x=2, binning_y=2)):
        copy = camera_info_for(original, Header(frame_id="camera"), *size)
        expected, actual = camera_model(original, *size).intrinsics, camera_model(copy, *size).intrinsics
        np.testing.assert_allclose(
            (actual.fx, actual.fy, actual.cx, actual.cy), (expected.fx, expected.fy, expected.cx, expected.cy)
        )
        np.testing.assert_allclose(copy.p[3] / copy.p[0], original.p[3] / original.p[0])  # the stereo baseline
        assert copy.header.frame_id == "camera" and original.header.frame_id == ""


def test_the_republished_info_is_unchanged_where_sizes_agree() -> None:
    roi = RegionOfInterest(x_offset=320, y_offset=240, width=640, height=480)
    original = info(roi=roi)
    assert camera_info_for(original, original.header, 640, 480) == original


def test_k_of_zeros_is_uncalibrated_and_refused() -> None:
    empty = CameraInfo(width=640, height=480)
    assert not is_calibrated(empty) and is_calibrated(info())
    with pytest.raises(ImageError, match="expected fx, fy > 0 in K, got 0.0 and 0.0"):
        camera_model(empty, 640, 480)
    assert camera_info_for(CameraInfo(), Header(), 640, 480).width == 0


@pytest.mark.parametrize("function", [camera_model, lambda i, w, h: camera_info_for(i, Header(), w, h)])
def test_an_image_of_another_shape_is_refused(function) -> None:
    with pytest.raises(ImageError, match=r"expected the shape of the image 640x360 \(or a multiple\), got 1280x960"):
        function(info(), 640, 360)
    roi = RegionOfInterest(width=1, height=1)
    with pytest.raises(ImageError, match="size: expected that of the image 640x480, got 0x0"):
        function(info(roi=roi, binning_x=2, binning_y=2), 640, 480)
