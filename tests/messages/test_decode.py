"""Every encoding against pixel values worked out by hand or by OpenCV's inverse conversion."""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defocus_depth.errors import ImageError
from defocus_depth.messages.decode import decode_compressed, decode_image
from defocus_depth.messages.layout import ENCODINGS, packed_array
from defocus_depth.ros.messages import bridge

HEIGHT, WIDTH = 6, 8
RNG = np.random.default_rng(5)
RGB = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
MONO16 = RNG.integers(0, 65536, (HEIGHT, WIDTH), np.uint16)


@dataclass
class FakeImage:
    """The fields of sensor_msgs/Image, without ROS."""

    encoding: str
    width: int = WIDTH
    height: int = HEIGHT
    step: int = 0
    is_bigendian: int = 0
    data: bytes = b""


@dataclass
class FakeCompressed:
    format: str
    data: bytes = field(default=b"")


def message_of(
    array: np.ndarray, encoding: str, padding: int = 0, bigendian: bool = False, height: int = HEIGHT
) -> FakeImage:
    """A message of rows of `array`, each followed by `padding` bytes of 0xAA."""
    stored = array.astype(array.dtype.newbyteorder(">" if bigendian else "<"))
    rows = [row.tobytes() + b"\xaa" * padding for row in stored]
    return FakeImage(encoding, array.shape[1], height, len(rows[0]), int(bigendian), b"".join(rows))


PADDING = pytest.mark.parametrize("padding", [0, 1, 3, 16])


@PADDING
@pytest.mark.parametrize(
    ("encoding", "stored"),
    [
        ("rgb8", RGB),
        ("bgr8", RGB[..., ::-1]),
        ("rgba8", np.dstack([RGB, RGB[..., 0]])),
        ("bgra8", np.dstack([RGB[..., ::-1], RGB[..., 0]])),
    ],
)
def test_colour_comes_out_as_rgb(encoding: str, stored: np.ndarray, padding: int) -> None:
    decoded = decode_image(message_of(stored, encoding, padding))
    np.testing.assert_array_equal(decoded.array, RGB)
    assert decoded.transfer == "srgb"


@PADDING
def test_mono8(padding: int) -> None:
    np.testing.assert_array_equal(decode_image(message_of(RGB[..., 0], "mono8", padding)).array, RGB[..., 0])


@PADDING
@pytest.mark.parametrize("bigendian", [False, True])
def test_mono16_honours_byte_order_and_is_linear(padding: int, bigendian: bool) -> None:
    decoded = decode_image(message_of(MONO16, "mono16", padding, bigendian))
    np.testing.assert_array_equal(decoded.array, MONO16)
    assert decoded.array.dtype == np.uint16 and decoded.array.dtype.isnative
    assert decoded.transfer == "linear"


def yuv_planes() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Y (H, W) and one (U, V) for each 2x2 block, and the RGB image by BT.601's limited-range equations."""
    luma = RNG.integers(60, 180, (HEIGHT, WIDTH), np.uint8)
    chroma_u, chroma_v = RNG.integers(110, 146, (2, HEIGHT // 2, WIDTH // 2), np.uint8)
    full_u, full_v = (np.kron(plane, np.ones((2, 2))) - 128.0 for plane in (chroma_u, chroma_v))
    grey = 1.164 * (luma - 16.0)
    rgb = np.dstack([grey + 1.596 * full_v, grey - 0.391 * full_u - 0.813 * full_v, grey + 2.018 * full_u])
    return luma, chroma_u, chroma_v, np.clip(np.rint(rgb), 0, 255)


@PADDING
@pytest.mark.parametrize(("encoding", "luma_first"), [("yuv422", 0), ("uyvy", 0), ("yuv422_yuy2", 1), ("yuyv", 1)])
def test_yuv422_in_both_orders(encoding: str, luma_first: int, padding: int) -> None:
    luma, chroma_u, chroma_v, rgb = yuv_planes()
    chroma = np.empty((HEIGHT, WIDTH), np.uint8)
    chroma[:, 0::2], chroma[:, 1::2] = np.repeat(chroma_u, 2, axis=0), np.repeat(chroma_v, 2, axis=0)
    stored = np.dstack([luma, chroma] if luma_first else [chroma, luma])
    np.testing.assert_allclose(decode_image(message_of(stored, encoding, padding)).array, rgb, atol=2)


@PADDING
@pytest.mark.parametrize(("encoding", "u_first"), [("nv12", True), ("nv21", False)])
def test_nv12_and_nv21_planes(encoding: str, u_first: bool, padding: int) -> None:
    luma, chroma_u, chroma_v, rgb = yuv_planes()
    pair = (chroma_u, chroma_v) if u_first else (chroma_v, chroma_u)
    stored = np.vstack([luma, np.dstack(pair).reshape(HEIGHT // 2, WIDTH)])
    np.testing.assert_allclose(decode_image(message_of(stored, encoding, padding)).array, rgb, atol=2)


@PADDING
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize(("bits", "bigendian"), [(8, False), (16, False), (16, True)])
def test_bayer_mosaic_of_a_plain_colour_is_that_colour(pattern: str, bits: int, bigendian: bool, padding: int) -> None:
    dtype = np.uint8 if bits == 8 else np.uint16
    colour = {"r": 200, "g": 90, "b": 30} if bits == 8 else {"r": 51000, "g": 9000, "b": 300}
    tile = np.array([colour[letter] for letter in pattern], dtype).reshape(2, 2)
    mosaic = np.tile(tile, (HEIGHT // 2, WIDTH // 2))
    decoded = decode_image(message_of(mosaic, f"bayer_{pattern}{bits}", padding, bigendian))
    expected = np.broadcast_to(np.array(list(colour.values()), dtype), (HEIGHT, WIDTH, 3))
    np.testing.assert_array_equal(decoded.array, expected)
    assert decoded.transfer == "linear"


@given(
    st.sampled_from(sorted(ENCODINGS)),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 40),
    st.binary(max_size=400),
)
def test_any_header_and_data_decode_or_are_refused_as_image_errors(encoding, width, height, step, data) -> None:
    message = FakeImage(encoding, width, height, step, len(data) % 2, data)
    try:
        decoded = decode_image(message)
    except ImageError:
        return
    assert decoded.array.shape[:2] == (height, width)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (FakeImage("rgb9"), "expected one of rgb8, .*, got 'rgb9'"),
        (FakeImage("rgb8", step=23), "rgb8 8x6: step: expected at least 24 bytes, got 23"),
        (FakeImage("mono16", step=15), "mono16 8x6: step: expected at least 16 bytes, got 15"),
        (FakeImage("rgb8", step=32, data=bytes(191)), "data: expected 192 bytes with step 32, got 191"),
        (FakeImage("nv12", step=8, data=bytes(71)), "data: expected 72 bytes with step 8, got 71"),
        (FakeImage("mono8", width=0), "expected at least 1x1, got 0x6"),
        (FakeImage("mono8", height=0), "expected at least 1x1, got 8x0"),
        (FakeImage("yuyv", width=7, step=14, data=bytes(200)), "expected even .* got 7x6"),
        (FakeImage("nv12", height=5, step=8, data=bytes(200)), "expected even .* got 8x5"),
    ],
)
def test_what_does_not_fit_is_refused_with_expected_and_actual(message: FakeImage, expected: str) -> None:
    with pytest.raises(ImageError, match=expected):
        decode_image(message)


def encoded(extension: str, array: np.ndarray) -> bytes:
    return cv2.imencode(extension, array)[1].tobytes()


def test_png_is_exact_in_8_and_16_bit_colour_and_mono() -> None:
    wide = RGB.astype(np.uint16) * 257
    for format_, stored, expected in (
        ("rgb8; png compressed bgr8", RGB[..., ::-1], RGB),
        ("png", RGB[..., ::-1], RGB),
        ("png", np.dstack([RGB[..., ::-1], RGB[..., :1]]), RGB),
        ("rgb16; png compressed bgr16", wide[..., ::-1], wide),
        ("mono16; png compressed ", MONO16, MONO16),
    ):
        decoded = decode_compressed(FakeCompressed(format_, encoded(".png", stored)))
        np.testing.assert_array_equal(decoded.array, expected)
        assert decoded.transfer == ("linear" if format_.startswith("mono16") else "srgb")


def test_jpeg_is_close_and_in_rgb_order() -> None:
    smooth = np.zeros((64, 64, 3), np.uint8)
    smooth[..., 0], smooth[..., 1] = 200, np.linspace(0, 100, 64, dtype=np.uint8)
    decoded = decode_compressed(FakeCompressed("rgb8; jpeg compressed bgr8", encoded(".jpg", smooth[..., ::-1])))
    np.testing.assert_allclose(decoded.array, smooth, atol=12)


def test_a_png_of_a_bayer_image_is_demosaiced_and_a_jpeg_of_one_is_grey() -> None:
    mosaic = np.tile(np.array([[200, 90], [90, 30]], np.uint8), (4, 4))
    png = decode_compressed(FakeCompressed("bayer_rggb8; png compressed ", encoded(".png", mosaic)))
    np.testing.assert_array_equal(png.array[4, 4], (200, 90, 30))
    assert png.transfer == "linear"
    jpeg = decode_compressed(FakeCompressed("bayer_rggb8; jpeg compressed mono8", encoded(".jpg", mosaic)))
    assert jpeg.array.ndim == 2


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "got 0 bytes"),
        (b"not a picture", "got 13 bytes of something else"),
        (
            encoded(".tiff", np.zeros((4, 4), np.float32)),
            "expected 1, 3 or 4 channels of 8 or 16 bit, got 1 of float32",
        ),
    ],
)
def test_compressed_data_that_is_no_image_is_refused(data: bytes, expected: str) -> None:
    with pytest.raises(ImageError, match=f"compressed image 'jpeg': .*{expected}"):
        decode_compressed(FakeCompressed("jpeg", data))


def test_without_cv_bridge_our_adapter_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge.importlib.util, "find_spec", lambda name: None)
    assert bridge.best_unpack() == (packed_array, None)


def test_a_cv_bridge_that_does_not_import_gives_a_warning_and_our_adapter(monkeypatch, tmp_path) -> None:
    (tmp_path / "cv_bridge.py").write_text("raise ImportError('built for numpy 1')")
    monkeypatch.syspath_prepend(tmp_path)
    unpack, warning = bridge.best_unpack()
    assert unpack is packed_array
    assert warning and "ImportError: built for numpy 1" in warning


def fake_cv_bridge(monkeypatch: pytest.MonkeyPatch, folder: Path, body: str) -> None:
    (folder / "cv_bridge.py").write_text(
        f"class CvBridge:\n    def imgmsg_to_cv2(self, message, desired_encoding): {body}\n"
    )
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setitem(sys.modules, "cv_bridge", None)
    monkeypatch.delitem(sys.modules, "cv_bridge")


def test_a_cv_bridge_that_refuses_is_an_image_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_cv_bridge(monkeypatch, tmp_path, "raise TypeError('no')")
    unpack, warning = bridge.best_unpack()
    assert warning is None
    with pytest.raises(ImageError, match="expected cv_bridge to read it: no"):
        decode_image(message_of(RGB, "rgb8"), unpack)


def test_cv_bridge_is_not_asked_for_what_it_misreads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_cv_bridge(monkeypatch, tmp_path, "raise TypeError('asked')")
    unpack, _ = bridge.best_unpack()
    np.testing.assert_array_equal(decode_image(message_of(RGB, "rgb8", padding=1), unpack).array, RGB)
    np.testing.assert_array_equal(decode_image(message_of(MONO16, "mono16", bigendian=True), unpack).array, MONO16)
    decode_image(message_of(np.zeros((HEIGHT, WIDTH, 2), np.uint8), "yuyv"), unpack)


def test_cv_bridge_and_our_adapter_give_equal_arrays() -> None:
    unpack, warning = bridge.best_unpack()
    if unpack is packed_array:
        pytest.skip(warning or "cv_bridge is not installed")
    from sensor_msgs.msg import Image

    for name, padding, bigendian in itertools.product(sorted(ENCODINGS), (0, 3, 24), (0, 1)):
        entry = ENCODINGS[name]
        rows = HEIGHT * entry.rows_numerator // 2
        step = np.dtype(entry.dtype).itemsize * entry.channels * WIDTH + padding
        message = Image(height=HEIGHT, width=WIDTH, encoding=name, step=step, is_bigendian=bigendian)
        message.data.frombytes(RNG.integers(0, 256, rows * step, np.uint8).tobytes())
        ours = decode_image(message, packed_array).array
        np.testing.assert_array_equal(decode_image(message, unpack).array, ours, err_msg=name)
