"""The Estimator: pixels of the input image in and out, one working size, clear refusals."""

from __future__ import annotations

import dataclasses
import logging
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defocus_depth.errors import BackendError, ConfigError, ImageError, ModelError, OpticsError
from defocus_depth.inference import LENS_SHAPE, Estimator, EstimatorConfig, file_sha256, load_estimator
from defocus_depth.inference.estimator import input_estimate
from defocus_depth.inference.working_size import choose_geometry
from defocus_depth.optics import blur_gain_px_per_dpt, focus_dpt, from_linear, to_linear
from defocus_depth.types import DepthEstimate, LensParameters

ROBOT = LensParameters(focal_length_m=0.008, f_number=1.4, pixel_pitch_m=6e-6, image_width_px=320)
NEAR_M = 0.35
MAPS = ("depth_m", "coc_px", "defocus_px", "inv_depth_scale_dpt", "confidence")


@pytest.fixture
def estimator(tiny_model: Path):
    """The tiny model on ONNX Runtime with one thread; sizes 96x64 and 128x96."""
    with load_estimator(tiny_model, "onnxruntime", EstimatorConfig(threads=1)) as loaded:
        yield loaded


@pytest.fixture
def image() -> np.ndarray:
    """A smooth colour picture of 192x144 px, uint8."""
    y, x = np.mgrid[:144, :192] / 192
    return (255 * np.stack([x, y, (x + y) / 2], axis=-1)).astype(np.uint8)


def brightness(image: np.ndarray) -> np.ndarray:
    floats = image / np.iinfo(image.dtype).max
    return floats if image.ndim == 2 else floats.mean(axis=2)


def test_maps_have_the_image_size_and_known_values(estimator: Estimator, image: np.ndarray):
    estimate = estimator.estimate(image, ROBOT, NEAR_M)
    inverse_depth = 0.5 + 2 * brightness(image)
    inside = (slice(4, -4), slice(4, -4))  # at the borders interpolation repeats the last working pixel
    np.testing.assert_allclose(1 / estimate.depth_m[inside], inverse_depth[inside], atol=0.01)
    np.testing.assert_allclose(estimate.confidence[inside], brightness(image)[inside], atol=0.005)
    np.testing.assert_allclose(estimate.inv_depth_scale_dpt[inside], 0.05 * inverse_depth[inside], atol=0.001)
    np.testing.assert_allclose(estimate.defocus_px[inside], np.abs(estimate.coc_px[inside]), atol=0.05)
    for name in MAPS:
        values = getattr(estimate, name)
        assert values.dtype == np.float32 and values.shape == (144, 192), name


def test_lens_is_that_of_the_input_image(estimator: Estimator, image: np.ndarray):
    estimate = estimator.estimate(image, ROBOT, NEAR_M)
    assert estimate.focus_dpt == pytest.approx(1 / NEAR_M)
    assert estimate.blur_gain_px_per_dpt == pytest.approx(blur_gain_px_per_dpt(ROBOT, 1 / NEAR_M, 192))
    assert estimate.metric


def test_coc_identity_holds_at_every_pixel(estimator: Estimator, image: np.ndarray):
    noisy = np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)
    for focus_distance_m in (NEAR_M, 1.0, math.inf):
        estimate = estimator.estimate(noisy, ROBOT, focus_distance_m)
        expected = estimate.blur_gain_px_per_dpt * (estimate.focus_dpt - 1 / estimate.depth_m)
        np.testing.assert_array_equal(estimate.coc_px, expected)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.booleans(), st.sampled_from([np.uint8, np.uint16]))
def test_any_image_size_is_served(tiny_model: Path, height: int, width: int, mono: bool, dtype: type):
    shape = (height, width) if mono else (height, width, 3)
    image = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    with load_estimator(tiny_model, "onnxruntime", EstimatorConfig(threads=1)) as estimator:
        estimate = estimator.estimate(image, ROBOT, NEAR_M)
    for name in MAPS:
        values = getattr(estimate, name)
        assert values.shape == (height, width) and np.isfinite(values).all(), name
    assert (estimate.depth_m > 0).all()


def test_depth_edge_is_where_the_image_has_it(estimator: Estimator):
    image = np.full((144, 192), 40, np.uint8)
    image[:, 97:] = 220
    estimate = estimator.estimate(image, ROBOT, NEAR_M)
    near, far = 1 / (0.5 + 2 * 220 / 255), 1 / (0.5 + 2 * 40 / 255)
    assert near - 1e-4 <= estimate.depth_m.min() and estimate.depth_m.max() <= far + 1e-4  # no overshoot
    halfway = (1 / near + 1 / far) / 2
    inverse_depth = 1 / estimate.depth_m.astype(np.float64)
    crossings = (inverse_depth - 1 / far).sum(axis=1) / (1 / near - 1 / far)  # near pixels of each row, fractions too
    np.testing.assert_allclose(192 - crossings, 97, atol=0.05)
    assert (inverse_depth[:, :94] < halfway).all() and (inverse_depth[:, 100:] > halfway).all()


def test_kinds_of_the_same_image_agree(estimator: Estimator, image: np.ndarray):
    reference = estimator.estimate(image, ROBOT, NEAR_M)
    for kind in (image.astype(np.uint16) * 257, (image / 255).astype(np.float32), np.asfortranarray(image)):
        estimate = estimator.estimate(kind, ROBOT, NEAR_M)
        np.testing.assert_allclose(estimate.depth_m, reference.depth_m, rtol=1e-5)


def test_transfer_is_brought_to_the_models(estimator: Estimator, image: np.ndarray):
    radiance = to_linear(image / 255, "srgb").astype(np.float32)
    linear = estimator.estimate(radiance, ROBOT, NEAR_M, transfer="linear")
    assert np.allclose(from_linear(radiance, "srgb"), image / 255, atol=1e-6)
    np.testing.assert_allclose(linear.depth_m, estimator.estimate(image, ROBOT, NEAR_M).depth_m, rtol=1e-4)


def test_estimates_own_their_maps(estimator: Estimator, image: np.ndarray):
    first = estimator.estimate(image, ROBOT, NEAR_M)
    kept = first.depth_m.copy()
    estimator.estimate(255 - image, ROBOT, NEAR_M)
    np.testing.assert_array_equal(first.depth_m, kept)


def test_unresized_maps_are_copies_of_the_backends_buffers(tiny_model: Path):
    image = np.random.default_rng(3).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    with load_estimator(tiny_model, "openvino", EstimatorConfig(threads=1)) as estimator:
        first = estimator.estimate(image, ROBOT, NEAR_M)
        kept = {name: getattr(first, name).copy() for name in MAPS}
        estimator.estimate(255 - image, ROBOT, NEAR_M)
    for name, values in kept.items():
        np.testing.assert_array_equal(getattr(first, name), values)


def test_backends_agree_through_the_estimator(tiny_model: Path, image: np.ndarray):
    def estimated(backend: str) -> DepthEstimate:
        with load_estimator(tiny_model, backend, EstimatorConfig(threads=1)) as estimator:
            return estimator.estimate(image, ROBOT, NEAR_M)

    first, second = estimated("openvino"), estimated("onnxruntime")
    for name in MAPS:
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=1e-4, atol=1e-4, err_msg=name)


def test_info_says_what_runs(estimator: Estimator, tiny_model: Path):
    info = estimator.info
    assert info.model_sha256 == file_sha256(tiny_model)
    assert info.model_path == tiny_model
    assert (info.backend, info.precision) == ("onnxruntime", "f32")
    assert info.working_size == (64, 96)
    assert (info.supervision, info.metrics) == ("truth", {"abs_rel": 0.5})


def test_configure_chooses_the_size_and_estimate_keeps_it(
    estimator: Estimator, image: np.ndarray, caplog: pytest.LogCaptureFixture
):
    weak = LensParameters(blur_gain_px_per_dpt=1.0)
    with caplog.at_level(logging.INFO):
        geometry = estimator.configure(image.shape, weak, NEAR_M)
        assert (geometry.height, geometry.width) == estimator.info.working_size == (96, 128)
        for focus_distance_m in (NEAR_M, 0.5, math.inf):
            estimator.estimate(image, weak, focus_distance_m)
        estimator.estimate(image, LensParameters(blur_gain_px_per_dpt=1.03), NEAR_M)
    assert len([record for record in caplog.records if "work at 128x96 px" in record.getMessage()]) == 1


def test_another_image_size_or_lens_chooses_anew(estimator: Estimator, image: np.ndarray):
    weak, strong = LensParameters(blur_gain_px_per_dpt=1.0), LensParameters(blur_gain_px_per_dpt=100.0)
    for lens, pixels, expected in (
        (weak, image, (96, 128)),
        (strong, image, (64, 96)),
        (weak, image, (96, 128)),
        (weak, image[:64, :96], (64, 96)),
    ):
        estimate = estimator.estimate(pixels, lens, NEAR_M)
        assert estimator.info.working_size == expected
        assert estimate.depth_m.shape == pixels.shape[:2]


def test_failure_to_load_another_size_leaves_the_estimator_usable(
    estimator: Estimator, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    strong, weak = LensParameters(blur_gain_px_per_dpt=100.0), LensParameters(blur_gain_px_per_dpt=1.0)
    estimator.configure(image.shape, strong, NEAR_M)

    def refuse(name, request):
        raise BackendError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr("defocus_depth.inference.estimator.load_backend", refuse)
        with pytest.raises(BackendError, match="out of memory"):
            estimator.estimate(image, weak, NEAR_M)
        assert np.isfinite(estimator.estimate(image, strong, NEAR_M).depth_m).all()
    estimator.estimate(image, weak, NEAR_M)
    assert estimator.info.working_size == (96, 128)


def test_refused_input_leaves_the_estimator_usable(estimator: Estimator, image: np.ndarray):
    with pytest.raises(ImageError, match="expected uint8, uint16 or float32, got int64"):
        estimator.estimate(image.astype(np.int64), ROBOT, NEAR_M)
    with pytest.raises(ImageError, match="expected at least 1x1 px"):
        estimator.estimate(image[:0], ROBOT, NEAR_M)
    for focus_distance_m in (math.nan, 0.0, -1.0, 0.008, 0.005):
        with pytest.raises(OpticsError, match="focus_distance_m: expected"):
            estimator.estimate(image, ROBOT, focus_distance_m)
    with pytest.raises(OpticsError, match="expected a finite number > 0, got nan"):
        estimator.estimate(image, LensParameters(blur_gain_px_per_dpt=math.nan), NEAR_M)
    with pytest.raises(ConfigError, match="transfer: expected one of"):
        estimator.estimate(image, ROBOT, NEAR_M, transfer="log")  # type: ignore[arg-type]
    assert np.isfinite(estimator.estimate(image, ROBOT, NEAR_M).depth_m).all()


def test_closed_is_closed(tiny_model: Path, image: np.ndarray):
    estimator = load_estimator(tiny_model, "onnxruntime")
    estimator.close()
    with pytest.raises(BackendError, match="expected an open backend"):
        estimator.estimate(image[:64, :96], ROBOT, NEAR_M)


def test_load_refuses(tmp_path: Path, tiny_model: Path, make_tiny_model):
    with pytest.raises(ModelError, match="which is not there"):
        load_estimator(tmp_path / "none.onnx")
    with pytest.raises(ConfigError, match="backend: expected one of"):
        load_estimator(tiny_model, "abacus")
    corrupt = make_tiny_model(tmp_path)
    corrupt.write_bytes(b"")
    with pytest.raises(ModelError, match="expected sha256"):
        load_estimator(corrupt)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"depth_min_m": -0.1}, "depth range: expected 0 ≤"),
        ({"depth_min_m": 5.0, "depth_max_m": 2.0}, "depth range: expected 0 ≤"),
        ({"threads": -1}, "threads: expected ≥ 0, got -1"),
        ({"precision": "f8"}, "precision: expected one of auto, f32, f16, bf16, int8, got 'f8'"),
    ],
)
def test_config_is_checked(fields: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        EstimatorConfig(**fields)


def test_nan_of_a_network_is_not_hidden():
    geometry = choose_geometry((64, 96), 20.0, ((64, 96),), 20.0)
    maps = {name: np.ones((64, 96), np.float32) for name in ("depth", "defocus", "inv_depth_scale", "confidence")}
    maps["depth"][3, 4] = np.nan
    estimate = input_estimate(maps, geometry, 10.0, focus_dpt(1.0))
    assert np.isnan(estimate.depth_m[3, 4]) and np.isnan(estimate.coc_px[3, 4])
    assert np.isfinite(estimate.depth_m).sum() == 64 * 96 - 1


@pytest.mark.parametrize(
    ("config", "focus_distance_m", "nearest_m"),
    [
        (EstimatorConfig(), 1.0, 0.35),
        (EstimatorConfig(), math.inf, 0.35),
        (EstimatorConfig(), 0.2, 0.2),  # focused nearer than anything is expected to be
        (EstimatorConfig(depth_max_m=0.3), 1.0, 0.35),
        (EstimatorConfig(depth_min_m=0.5), 0.2, 0.5),
        (EstimatorConfig(depth_min_m=0.5), 1.0, 0.5),
        (EstimatorConfig(depth_min_m=0.5), math.inf, 0.5),
    ],
)
def test_the_network_is_told_the_nearest_distance_of_anything(
    config: EstimatorConfig, focus_distance_m: float, nearest_m: float, tiny_model: Path, image: np.ndarray, monkeypatch
):
    given: list[np.ndarray] = []
    with load_estimator(tiny_model, "onnxruntime", config) as estimator:
        geometry = estimator.configure(image.shape, ROBOT, focus_distance_m)
        run = estimator._backend.run
        monkeypatch.setattr(estimator._backend, "run", lambda image, lens: given.append(lens) or run(image, lens))
        estimate = estimator.estimate(image, ROBOT, focus_distance_m)
    assert config.nearest_possible_dpt(focus_distance_m) == pytest.approx(1 / nearest_m)
    (row,) = given
    assert row.dtype == np.float32 and row.shape == LENS_SHAPE
    expected = [estimate.blur_gain_px_per_dpt * geometry.scale, estimate.focus_dpt, 1 / nearest_m]
    np.testing.assert_allclose(row, [expected], rtol=1e-6)


def test_nearest_follows_each_images_focus_from_the_entrance_pupil():
    lens = dataclasses.replace(ROBOT, focus_offset_m=0.05)
    row = EstimatorConfig().lens_input(7.0, focus_dpt(0.25, lens))
    np.testing.assert_allclose(row, [[7.0, 5.0, 5.0]], rtol=1e-6)  # never farther than the focus


def test_depth_min_m_changes_what_the_network_says(tiny_model: Path, image: np.ndarray):
    """The tiny model puts nothing nearer than it is told; without that it finds depths from 0.4 m."""

    def depth_m(config: EstimatorConfig) -> np.ndarray:
        with load_estimator(tiny_model, "onnxruntime", config) as estimator:
            return estimator.estimate(image, ROBOT, NEAR_M).depth_m

    free, bounded = depth_m(EstimatorConfig()), depth_m(EstimatorConfig(depth_min_m=0.8))
    assert free.min() < 0.6 < 0.79 < bounded.min()
    far = free > 1.0
    assert far.any()
    np.testing.assert_allclose(bounded[far], free[far], rtol=0.02)


@pytest.mark.parametrize(
    ("config", "focus_distance_m", "nearest_m"),
    [
        (EstimatorConfig(), 1.0, 1.0),  # focused nearer than the scene: nothing nearer is of interest
        (EstimatorConfig(), math.inf, 0.35),
        (EstimatorConfig(depth_max_m=0.4), 0.9, 0.2),
        (EstimatorConfig(depth_min_m=0.5), 1.0, 0.5),
    ],
)
def test_nearest_depth_of_interest(config: EstimatorConfig, focus_distance_m: float, nearest_m: float):
    assert config.nearest_m(focus_distance_m) == nearest_m


@pytest.mark.parametrize(
    ("config", "near_focus_m", "nearest_m"),
    [
        (EstimatorConfig(), None, 0.35),
        (EstimatorConfig(), 0.8, 0.35),
        (EstimatorConfig(), math.inf, 0.35),
        (EstimatorConfig(), 0.2, 0.2),
        (EstimatorConfig(), 0.004, 0.35),  # inside the focal length: says nothing
        (EstimatorConfig(depth_min_m=0.5), 0.2, 0.5),
    ],
)
def test_a_lens_that_focuses_nearer_looks_at_nearer_things(
    config: EstimatorConfig,
    near_focus_m: float | None,
    nearest_m: float,
    tiny_model: Path,
    image: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
):
    rows: list[np.ndarray] = []
    with load_estimator(tiny_model, "onnxruntime", config) as estimator:
        estimator.configure(image.shape, ROBOT, 1.0)
        run = estimator._backend.run
        monkeypatch.setattr(estimator._backend, "run", lambda image, lens: rows.append(lens) or run(image, lens))
        estimator.estimate(image, ROBOT, 1.0, near_focus_m=near_focus_m)
    assert rows[0][0, 2] == pytest.approx(1 / nearest_m, rel=1e-6)
