"""Pre-processing as a graph computes what the CPU's functions compute, to rounding."""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime as ort
import pytest

from defocus_depth.errors import BackendUnavailableError
from defocus_depth.inference.backends.tensorrt.pixel_graph import graph_digest, pixel_graph
from defocus_depth.inference.pixels import byte_table, to_unit_floats
from defocus_depth.inference.working_size import WorkingGeometry, choose_geometry
from defocus_depth.types import Transfer

SIZES = [(256, 320), (128, 160), (480, 640)]


@pytest.fixture(scope="module")
def session() -> ort.InferenceSession:
    return ort.InferenceSession(pixel_graph())


@pytest.mark.parametrize("shape", [(480, 640, 3), (720, 1280, 3), (333, 517), (200, 130, 3), (256, 320, 3)])
@pytest.mark.parametrize(("transfer", "wanted"), [("srgb", "srgb"), ("linear", "srgb"), ("gamma", "linear")])
def test_graph_equals_the_cpus_functions(
    shape: tuple[int, ...], transfer: Transfer, wanted: Transfer, session: ort.InferenceSession
):
    image = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    geometry = choose_geometry((shape[0], shape[1]), 40, SIZES, 24)
    expected = geometry.to_working(to_unit_floats(image, transfer, wanted))
    rows, columns = geometry.resampling()
    channels = 3 if len(shape) == 3 else 1
    given = {
        "pixels": image.reshape(1, shape[0], shape[1], channels),
        "table": byte_table(transfer, wanted),
        "rows": rows,
        "columns": columns,
        "mix": np.eye(3, dtype=np.float32) if channels == 3 else np.ones((1, 3), np.float32),
    }
    (found,) = session.run(["image"], given)
    np.testing.assert_allclose(np.asarray(found), expected, atol=2e-6)


def test_resampling_keeps_grey_and_adds_up():
    geometry = WorkingGeometry(481, 643, 240, 321, 256, 352)
    rows, columns = geometry.resampling()
    assert rows.shape == (256, 481) and columns.shape == (643, 352)
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(columns.sum(axis=0), 1, atol=1e-5)


def test_digest_is_of_what_makes_the_graph():
    assert graph_digest() == graph_digest() and len(graph_digest()) == 64


def test_without_onnx_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(BackendUnavailableError, match=r"expected the package onnx: pip install '\.\[tensorrt\]'"):
        pixel_graph()
