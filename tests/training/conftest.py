"""Tiny data sets: a pool of procedural stacks, made once, and folders of RGB-D pairs."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from defocus_training.data.pool import Making, fill_pool
from defocus_training.data.procedural import ProceduralOptions


@pytest.fixture(scope="session")
def pool_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards of three small stacks."""
    folder = tmp_path_factory.mktemp("pool")
    options = ProceduralOptions(size_px=72, frames=4, largest_coc_px=24.0, nearest_px=(8.0, 18.0))
    list(fill_pool(folder, range(3), options, [], Making(3)))
    return folder


@pytest.fixture
def rgbd_folder(tmp_path: Path) -> Path:
    """Two sources of registered pairs, 128x96: a textured wall at 2 m behind a card at 0.8 m."""
    rng = np.random.default_rng(0)
    for source, count in (("desk", 2), ("shelf", 1)):
        for folder in ("rgb", "depth"):
            (tmp_path / source / folder).mkdir(parents=True)
        for index in range(count):
            depth_mm = np.full((96, 128), 2000, np.uint16)
            depth_mm[:80, :60], depth_mm[:4], depth_mm[:, -2:] = 800, 0, 20_000
            cv2.imwrite(str(tmp_path / source / f"depth/{index:03d}.png"), depth_mm)
            colour = rng.integers(0, 256, (96, 128, 3), np.uint8)
            cv2.imwrite(str(tmp_path / source / f"rgb/{index:03d}.png"), colour)
        meta = {
            "source_set": source,
            "intrinsics": {"fx": 100.0, "fy": 100.0, "cx": 63.5, "cy": 47.5, "note": "made up"},
            "frames": [{"rgb": f"rgb/{i:03d}.png", "depth": f"depth/{i:03d}.png"} for i in range(count)],
        }
        (tmp_path / source / "meta.json").write_text(json.dumps(meta))
    return tmp_path
