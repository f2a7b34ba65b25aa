"""The pipeline with a real Estimator on a model whose depth is a known function of brightness."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from defocus_depth.errors import ImageError
from defocus_depth.inference import load_estimator
from defocus_depth.messages.decode import decode_image
from defocus_depth.messages.lens_setting import LensSetting
from defocus_depth.ros.parameters import DepthNodeParameters
from defocus_depth.ros.pipeline import DepthPipeline, FrameMaps
from defocus_depth.types import DepthEstimate, LensParameters

HEIGHT, WIDTH = 64, 96
LENS = LensParameters(0.008, 1.4, 6e-6, image_width_px=WIDTH)
SETTING = LensSetting(LENS, 0.35)
BRIGHTNESS = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))


@pytest.fixture(scope="module")
def estimator(tiny_model):
    estimator = load_estimator(tiny_model, "onnxruntime")
    yield estimator
    estimator.close()


def message_of(array: np.ndarray, encoding: str) -> SimpleNamespace:
    height, width = array.shape[:2]
    step = array.nbytes // height
    return SimpleNamespace(
        height=height, width=width, encoding=encoding, step=step, is_bigendian=0, data=array.tobytes()
    )


def maps_of(
    estimator, array: np.ndarray, encoding: str = "mono8", full_width_px: Any = float, **parameters
) -> FrameMaps:
    pipeline = DepthPipeline(estimator, decode_image)
    return pipeline.process(message_of(array, encoding), SETTING, DepthNodeParameters(**parameters), full_width_px)


def test_all_maps_of_a_frame_have_the_images_size_and_agree(estimator) -> None:
    maps = maps_of(estimator, BRIGHTNESS)
    expected_m = 1 / (0.5 + 2 * (BRIGHTNESS / 255))
    np.testing.assert_allclose(maps.depth_m, expected_m, rtol=1e-5)
    np.testing.assert_allclose(maps.depth_mm, expected_m * 1000, atol=0.51)
    gain = 0.008**2 / (1.4 * 6e-6) / (1 - 0.008 / 0.35)
    np.testing.assert_allclose(maps.coc_px, gain * (1 / 0.35 - 1 / expected_m), rtol=1e-4)
    np.testing.assert_allclose(maps.confidence, BRIGHTNESS / 255, atol=1e-6)
    assert maps.color_bgr.shape == (HEIGHT, WIDTH, 3) and maps.color_bgr.dtype == np.uint8
    assert maps.depth_m.dtype == maps.coc_px.dtype == maps.confidence.dtype == np.float32
    assert maps.depth_mm.dtype == np.uint16
    assert maps.invalid_ratio == 0.0


def test_fusion_is_off_by_default_and_fuses_foci_of_a_static_scene_when_on(estimator) -> None:
    pipeline = DepthPipeline(estimator, decode_image)

    def estimate(focus_m: float, window: int, image: np.ndarray = BRIGHTNESS) -> DepthEstimate:
        setting, parameters = LensSetting(LENS, focus_m), DepthNodeParameters(fusion_window=window)
        return pipeline.process(message_of(image, "mono8"), setting, parameters).estimate

    alone = estimate(0.35, 1)
    for focus_m in (0.35, 0.5, 0.8):
        np.testing.assert_array_equal(estimate(focus_m, 1).depth_m, alone.depth_m)
    np.testing.assert_array_equal(estimate(0.35, 4).depth_m, alone.depth_m)
    fused = estimate(0.5, 4)
    assert fused.focus_dpt == 2.0 and not np.array_equal(fused.depth_m, alone.depth_m)
    turned = np.ascontiguousarray(BRIGHTNESS[:, ::-1])  # another scene: nothing to fuse
    np.testing.assert_allclose(estimate(0.8, 4, turned).depth_m, alone.depth_m[:, ::-1], rtol=1e-5)


def test_frames_through_another_lens_are_not_fused(estimator) -> None:
    def last(*lenses: LensParameters) -> np.ndarray:
        pipeline, parameters = DepthPipeline(estimator, decode_image), DepthNodeParameters(fusion_window=4)
        for lens, focus_m in zip(lenses, (0.5, 0.35), strict=True):
            setting = LensSetting(lens, focus_m)
            depth_m = pipeline.process(message_of(BRIGHTNESS, "mono8"), setting, parameters).depth_m
        return depth_m

    stopped_down, reported = dataclasses.replace(LENS, f_number=2.8), dataclasses.replace(LENS, f_number=1.41)
    assert not np.array_equal(last(reported, LENS), maps_of(estimator, BRIGHTNESS).depth_m)
    np.testing.assert_array_equal(last(stopped_down, LENS), maps_of(estimator, BRIGHTNESS).depth_m)
    assert not np.array_equal(last(LENS, LENS), last(stopped_down, LENS))


def test_frames_older_than_the_fusion_takes_are_forgotten(estimator) -> None:
    def fused(max_age_s: float) -> np.ndarray:
        pipeline = DepthPipeline(estimator, decode_image)
        parameters = DepthNodeParameters(fusion_window=4, fusion_max_age_s=max_age_s)
        for focus_m in (0.35, 0.5):
            maps = pipeline.process(message_of(BRIGHTNESS, "mono8"), LensSetting(LENS, focus_m), parameters)
            depth_m = maps.estimate.depth_m
            time.sleep(0.03)
        return depth_m

    np.testing.assert_array_equal(fused(0.01), maps_of(estimator, BRIGHTNESS).depth_m)
    assert not np.array_equal(fused(10.0), fused(0.01))


def test_min_confidence_masks_depth_and_nothing_else(estimator) -> None:
    maps = maps_of(estimator, BRIGHTNESS, min_confidence=0.5)
    masked = BRIGHTNESS / 255 < 0.5
    np.testing.assert_array_equal(np.isnan(maps.depth_m), masked)
    np.testing.assert_array_equal(maps.depth_mm == 0, masked)
    assert (maps.color_bgr[masked] == 0).all()
    assert np.isfinite(maps.coc_px).all() and np.isfinite(maps.confidence).all()
    assert np.isfinite(maps.estimate.depth_m).all()  # the dense estimate stays whole
    assert maps.invalid_ratio == pytest.approx(masked.mean())


def test_a_cropped_image_is_seen_through_the_uncropped_lens(estimator) -> None:
    whole, crop = maps_of(estimator, BRIGHTNESS), maps_of(estimator, BRIGHTNESS[:, 32:], full_width_px=lambda w: WIDTH)
    np.testing.assert_allclose(crop.coc_px, whole.coc_px[:, 32:], rtol=1e-4, atol=1e-4)


class RecordingEstimator:
    """Gives a constant estimate, and keeps what it was asked."""

    def __init__(self, depth_m: np.ndarray) -> None:
        self.calls: list[tuple[np.ndarray, LensParameters, float, str]] = []
        self.told_near_m: list[float | None] = []
        self._depth_m = depth_m

    def estimate(self, image, lens, focus_distance_m, *, transfer, near_focus_m):
        self.calls.append((image, lens, focus_distance_m, transfer))
        self.told_near_m.append(near_focus_m)
        ones = np.ones_like(self._depth_m)
        return DepthEstimate(self._depth_m, ones, ones, ones, ones, 1.0, 1.0)

    info = None

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("encoding", "dtype", "asked", "told"),
    [
        ("mono8", np.uint8, "auto", "srgb"),
        ("mono16", np.uint16, "auto", "linear"),
        ("bayer_rggb8", np.uint8, "auto", "linear"),
        ("mono8", np.uint8, "gamma", "gamma"),
        ("mono16", np.uint16, "srgb", "srgb"),
    ],
)
def test_transfer_follows_the_parameter_and_else_the_encoding(encoding, dtype, asked, told) -> None:
    estimator = RecordingEstimator(np.ones((8, 8), np.float32))
    maps = maps_of(estimator, np.zeros((8, 8), dtype), encoding, transfer=asked)
    assert maps.estimate.focus_dpt == 1.0
    assert [(call[2], call[3]) for call in estimator.calls] == [(0.35, told)]


@pytest.mark.parametrize("near_focus_m", [None, 0.12])
def test_the_lens_s_near_focus_is_told(near_focus_m: float | None) -> None:
    estimator: Any = RecordingEstimator(np.ones((8, 8), np.float32))
    pipeline = DepthPipeline(estimator, decode_image)
    setting = LensSetting(LENS, 0.5, near_focus_m)
    _ = pipeline.process(message_of(np.zeros((8, 8), np.uint8), "mono8"), setting, DepthNodeParameters()).estimate
    assert estimator.told_near_m == [near_focus_m]


def test_nothing_is_estimated_before_a_map_is_read_and_then_once() -> None:
    estimator = RecordingEstimator(np.ones((8, 8), np.float32))
    maps = maps_of(estimator, np.zeros((8, 8), np.uint8))
    assert (maps.width, maps.height, maps.invalid_ratio) == (8, 8, None) and not estimator.calls
    _ = maps.confidence, maps.depth_m, maps.depth_mm, maps.color_bgr
    assert len(estimator.calls) == 1


def test_unknown_depth_is_nan_infinity_stays_and_millimetres_stop_at_65535() -> None:
    depth = np.array([[0.4, -1.0, 0.0, np.nan, np.inf, 65.535, 66.0]], np.float32)
    maps = maps_of(RecordingEstimator(depth), np.zeros((1, 7), np.uint8))
    np.testing.assert_array_equal(
        maps.depth_m, np.array([[0.4, np.nan, np.nan, np.nan, np.inf, 65.535, 66]], np.float32)
    )
    np.testing.assert_array_equal(maps.depth_mm, [[400, 0, 0, 0, 0, 65535, 0]])
    assert maps.invalid_ratio == pytest.approx(3 / 7)


def test_a_message_that_does_not_decode_is_refused_at_once() -> None:
    with pytest.raises(ImageError, match="got 'rgb9'"):
        maps_of(RecordingEstimator(np.ones((8, 8), np.float32)), np.zeros((8, 8), np.uint8), "rgb9")


def test_the_pipeline_and_what_it_stands_on_import_no_ros() -> None:
    modules = ("pipeline", "lens_source", "worker", "frame_statistics", "documentation", "messages.bridge")
    imports = "; ".join(f"import defocus_depth.ros.{module}" for module in modules)
    check = "import sys; assert not {'rclpy', 'sensor_msgs', 'std_msgs', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", f"{imports}; {check}"], check=True)
