"""Folders of registered colour and depth pictures."""

import json

import cv2
import numpy as np
import pytest

from defocus_depth.errors import ConfigError, ImageError
from defocus_depth.image_files import read_image
from defocus_depth.optics import to_linear
from defocus_training.data.rgbd_folder import find_pairs, load_pair


def test_pairs_come_in_order_from_every_source(rgbd_folder):
    assert [pair.name for pair in find_pairs(rgbd_folder)] == ["desk_000", "desk_001", "shelf_000"]
    assert [pair.name for pair in find_pairs(rgbd_folder / "shelf")] == ["shelf_000"]


def test_a_pair_is_linear_metric_and_resized(rgbd_folder):
    pair = find_pairs(rgbd_folder)[0]
    radiance, depth_m, camera = load_pair(pair, 64)
    assert radiance.shape == (48, 64, 3) and radiance.dtype == depth_m.dtype == np.float32
    stored = read_image(pair.colour) / 255
    assert radiance.mean() == pytest.approx(to_linear(stored, "srgb").mean(), rel=1e-3)
    assert (camera.width, camera.height, camera.fx, camera.cx) == (64, 48, 50.0, 31.5)
    assert np.isnan(depth_m[:2]).all()  # 0: unknown
    assert np.isnan(depth_m[:, -1]).all()  # 20 m: beyond the range
    assert depth_m[10, 10] == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"intrinsics": {"fx": 1, "fy": 1, "cx": 0}}, "meta.json: intrinsics.cy"),
        ({"frames": []}, "meta.json: frames"),
        ({"intrinsics": "unknown"}, "meta.json: intrinsics"),
    ],
)
def test_bad_metadata_is_named(rgbd_folder, change, problem):
    path = rgbd_folder / "desk" / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ConfigError, match=problem):
        find_pairs(rgbd_folder)


def test_a_folder_without_sources_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="expected meta.json"):
        find_pairs(tmp_path)


def test_depth_of_another_kind_is_refused(rgbd_folder):
    pair = find_pairs(rgbd_folder)[0]
    cv2.imwrite(str(pair.depth), np.ones((96, 128), np.uint8))
    with pytest.raises(ImageError, match="expected 16-bit depth of 128x96 px, got uint8"):
        load_pair(pair, 64)
