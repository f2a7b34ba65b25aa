from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from defocus_depth.errors import ImageError
from defocus_depth.image_files import read_image

RGB = np.random.default_rng(0).integers(0, 255, (5, 7, 3), np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".bmp"])
def test_colours_come_as_rgb(tmp_path: Path, suffix: str) -> None:
    cv2.imwrite(str(tmp_path / f"a{suffix}"), RGB[..., ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), RGB)


def test_mono_16_bit_and_alpha(tmp_path: Path) -> None:
    mono = RGB[..., 0].astype(np.uint16) * 200
    cv2.imwrite(str(tmp_path / "mono.png"), mono)
    np.testing.assert_array_equal(read_image(tmp_path / "mono.png"), mono)
    cv2.imwrite(str(tmp_path / "alpha.png"), np.dstack([RGB[..., ::-1], RGB[..., :1]]))
    np.testing.assert_array_equal(read_image(tmp_path / "alpha.png"), RGB)


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no.png: expected an image file, got No such file"):
        read_image(tmp_path / "no.png")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("hello")
    for name in ("empty.png", "text.png"):
        with pytest.raises(ImageError, match=f"{name}: expected an 8- or 16-bit image, got something"):
            read_image(tmp_path / name)
    cv2.imwrite(str(tmp_path / "float.tiff"), np.ones((4, 4), np.float32))
    with pytest.raises(ImageError, match="float.tiff: expected an 8- or 16-bit image, got pixels of float32"):
        read_image(tmp_path / "float.tiff")
