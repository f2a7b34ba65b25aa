from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.pictures import STYLES, estimate_panels, limits, save_panel

IMAGE = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
DEPTH = np.linspace(0.4, 3, 2400, dtype=np.float32).reshape(40, 60)


def colours_of(path: Path) -> set[tuple[float, ...]]:
    picture = cv2.imread(str(path))
    assert picture is not None
    return set(map(tuple, picture.reshape(-1, 3).tolist()))


def test_every_kind_gives_a_picture(tmp_path: Path) -> None:
    panels: list[Any] = [("image", IMAGE, "image"), *((kind, DEPTH, kind) for kind in STYLES)]
    save_panel(tmp_path / "new" / "panel.png", panels)
    assert len(colours_of(tmp_path / "new" / "panel.png")) > 500


@pytest.mark.parametrize("image", [IMAGE, IMAGE[..., 0], IMAGE.astype(np.uint16) * 257, IMAGE / np.float32(255)])
def test_images_of_every_type_look_the_same(tmp_path: Path, image: np.ndarray) -> None:
    save_panel(tmp_path / "a.png", [("", image, "image")])
    reference = IMAGE if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    save_panel(tmp_path / "b.png", [("", reference, "image")])
    a, b = cv2.imread(str(tmp_path / "a.png")), cv2.imread(str(tmp_path / "b.png"))
    assert a is not None and b is not None
    np.testing.assert_allclose(a.astype(int), b.astype(int), atol=2)


def test_unknown_pixels_are_grey_and_all_unknown_maps_work(tmp_path: Path) -> None:
    save_panel(tmp_path / "nan.png", [("depth", np.full((20, 20), np.nan, np.float32), "depth")])
    picture = cv2.imread(str(tmp_path / "nan.png"))
    assert picture is not None
    middle = picture[picture.shape[0] // 2, picture.shape[1] // 4]
    assert np.ptp(middle.astype(int)) == 0 and 120 < middle[0] < 136


def test_limits_are_shared_robust_and_symmetric_for_blur() -> None:
    assert limits("depth", [DEPTH, DEPTH + 1]) == pytest.approx((0.45, 3.95), abs=0.03)
    outlier = np.full((50, 50), 1.0)
    outlier[0, 0] = 1e6
    assert limits("depth", [outlier]) == (0.5, 1.5)
    low, high = limits("coc", [np.array([[-2.0, 6.0, np.nan]])])
    assert low == -high and 5.5 < high <= 6
    assert limits("confidence", [DEPTH]) == (0.0, 1.0)


def test_relative_estimates_are_never_called_metres(tmp_path: Path, fake_estimator) -> None:
    from defocus_depth.types import LensParameters

    metric = fake_estimator(1.0).estimate(IMAGE, LensParameters(blur_gain_px_per_dpt=8.0), 0.4)
    assert [(title, kind) for title, _, kind in estimate_panels(IMAGE, metric)][1] == ("depth", "depth")
    title, _, kind = estimate_panels(IMAGE, dataclasses.replace(metric, metric=False))[1]
    assert "relative" in title and kind == "relative_depth" and STYLES[kind].scale == "relative"


@pytest.mark.parametrize(
    ("panels", "message"),
    [
        ([], "expected at least one, got none"),
        ([("x", DEPTH, "heat")], "panel 'x' kind: expected image, depth, .*got 'heat'"),
        ([("x", IMAGE, "depth")], r"panel 'x': expected \(H, W\), .*got \(40, 60, 3\)"),
    ],
)
def test_refusals(tmp_path: Path, panels: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        save_panel(tmp_path / "x.png", panels)


def test_unwritable_picture(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="x.png: expected a writable picture file, got"):
        save_panel(tmp_path / "file" / "x.png", [("", IMAGE, "image")])
