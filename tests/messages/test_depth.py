"""Depth images in every packing, against values worked out by hand and encoders written down here."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from defocus_depth.errors import ImageError
from defocus_depth.messages.depth import decode_compressed_depth, decode_depth

MILLIMETRES = np.array([[0, 1, 1500], [65535, 20, 300]], np.uint16)
METRES = np.array([[np.nan, 0.001, 1.5], [65.535, 0.02, 0.3]], np.float32)


def image(array: np.ndarray, encoding: str, bigendian: bool = False, padding: int = 0) -> Any:
    stored = array.astype(array.dtype.newbyteorder(">" if bigendian else "<"))
    data = b"".join(row.tobytes() + b"\xaa" * padding for row in stored)
    step = stored.strides[0] + padding
    height, width = array.shape
    return SimpleNamespace(height=height, width=width, encoding=encoding, is_bigendian=bigendian, step=step, data=data)


def png(array: np.ndarray) -> bytes:
    return cv2.imencode(".png", array)[1].tobytes()


def rvl(pixels: np.ndarray) -> bytes:
    """Wilson's code, bit by bit."""
    nibbles: list[int] = []

    def put(value: int) -> None:
        while value > 7:
            nibbles.append(8 | value & 7)
            value >>= 3
        nibbles.append(value)

    flat, index, previous = pixels.ravel().astype(int).tolist(), 0, 0
    while index < len(flat):
        for is_zero in (True, False):
            end = index
            while end < len(flat) and (flat[end] == 0) == is_zero:
                end += 1
            put(end - index)
            for value in [] if is_zero else flat[index:end]:
                difference, previous = value - previous, value
                put(2 * difference if difference >= 0 else -2 * difference - 1)
            index = end
    nibbles += [0] * (-len(nibbles) % 8)
    text = "".join(f"{nibble:x}" for nibble in nibbles)
    return b"".join(struct.pack("<I", int(text[at : at + 8], 16)) for at in range(0, len(text), 8))


def packed(encoding: str, codec: str, body: bytes, quantisation: tuple[float, float] = (0, 0)) -> Any:
    data = struct.pack("<iff", 0, *quantisation) + body
    return SimpleNamespace(format=f"{encoding}; compressedDepth {codec}".strip(), data=data)


@pytest.mark.parametrize("bigendian", [False, True])
@pytest.mark.parametrize("padding", [0, 6])
def test_raw_millimetres_and_metres(bigendian: bool, padding: int) -> None:
    for encoding in ("16UC1", "mono16"):
        np.testing.assert_allclose(decode_depth(image(MILLIMETRES, encoding, bigendian, padding)), METRES, rtol=1e-6)
    unknown = np.array([[-1, 0, np.inf], [np.nan, 2.5, -np.inf]], np.float32)
    depth_m = decode_depth(image(unknown, "32FC1", bigendian, padding))
    np.testing.assert_array_equal(depth_m, [[np.nan] * 3, [np.nan, 2.5, np.nan]])
    assert depth_m.dtype == np.float32


def test_packed_and_plain_png() -> None:
    plain: Any = SimpleNamespace(format="16UC1; png compressed ", data=png(MILLIMETRES))
    for message in (
        packed("16UC1", "png", png(MILLIMETRES)),
        packed("16UC1", "", png(MILLIMETRES)),
        plain,
    ):
        np.testing.assert_allclose(decode_compressed_depth(message), METRES, rtol=1e-6)


def test_quantised_inverse_depth() -> None:
    steps = np.array([[0, 101, 201]], np.uint16)
    depth_m = decode_compressed_depth(packed("32FC1", "png", png(steps), (400.0, 1.0)))
    np.testing.assert_allclose(depth_m, [[np.nan, 4.0, 2.0]], rtol=1e-6)


@settings(deadline=None)  # the first example compiles
@given(arrays(np.uint16, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.integers(0, 65535) | st.just(0)))
def test_rvl_gives_back_every_pixel(pixels: np.ndarray) -> None:
    height, width = pixels.shape
    body = struct.pack("<II", width, height) + rvl(pixels)
    depth_m = decode_compressed_depth(packed("16UC1", "rvl", body))
    np.testing.assert_array_equal(np.nan_to_num(depth_m * 1000).round().astype(np.uint16), pixels)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (packed("16UC1", "png", b""), "expected more than a header of 12 bytes, got 12 bytes"),
        (packed("16UC1", "png", b"nonsense"), "expected a PNG with one channel of 16 bit, got 8 bytes"),
        (packed("16UC1", "png", png(np.zeros((2, 2), np.uint8))), r"16 bit, got \(2, 2\) of uint8"),
        (packed("16UC1", "rvl", b"1234"), "expected width and height before RVL words, got 4 bytes"),
        (packed("16UC1", "rvl", struct.pack("<III", 4, 4, 0)), "expected code of 4x4 pixels, got 4 bytes"),
        (packed("16UC1", "rvl", struct.pack("<III", 0, 4, 0)), "size: expected 1..32768 px, got 0x4"),
    ],
)
def test_broken_data_is_one_error(message: Any, expected: str) -> None:
    with pytest.raises(ImageError, match=expected):
        decode_compressed_depth(message)


def test_colours_are_no_depth() -> None:
    with pytest.raises(ImageError, match="expected one of 16UC1, mono16, 32FC1, got 'rgb8'"):
        decode_depth(image(np.zeros((2, 6), np.uint8), "rgb8"))
