"""Splats in a PLY file, read back by the library that others use and by hand."""

import numpy as np
import pytest
from plyfile import PlyData

from defocus_depth.errors import ConfigError
from defocus_depth.types import CameraIntrinsics
from defocus_training.fitting.ply import SplatCloud, write_ply

CAMERA = CameraIntrinsics(8, 6, 10.0, 10.0, 3.5, 2.5)


def cloud() -> SplatCloud:
    rng = np.random.default_rng(0)
    return SplatCloud(
        rng.uniform(1, 2, (6, 8)).astype(np.float32), rng.random((6, 8, 3)).astype(np.float32), CAMERA, "metres"
    )


def test_splats_project_to_their_pixels_with_their_colours(tmp_path) -> None:
    written = cloud()
    write_ply(tmp_path / "splats.ply", written)
    file = PlyData.read(tmp_path / "splats.ply")
    table = file["vertex"].data
    assert file.comments == ["unit metres"] and not file.text
    columns, rows = table["x"] / table["z"] * 10 + 3.5, table["y"] / table["z"] * 10 + 2.5
    expected_rows, expected_columns = np.indices((6, 8))
    np.testing.assert_allclose(columns, expected_columns.ravel(), atol=1e-4)
    np.testing.assert_allclose(rows, expected_rows.ravel(), atol=1e-4)
    np.testing.assert_allclose(table["z"], written.depth.ravel(), rtol=1e-6)
    colours = np.stack([table[f"f_dc_{channel}"] for channel in range(3)], 1) * 0.28209479 + 0.5
    np.testing.assert_allclose(colours, written.colour.reshape(-1, 3), atol=1e-5)
    assert np.abs(table["red"] / 255 - written.colour.reshape(-1, 3)[:, 0]).max() < 0.003
    np.testing.assert_allclose(np.exp(table["scale_0"]), 0.4 * table["z"] / 10, rtol=1e-5)


def test_an_unwritable_place_is_named(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file/splats.ply: expected a writable file"):
        write_ply(tmp_path / "file" / "splats.ply", cloud())
