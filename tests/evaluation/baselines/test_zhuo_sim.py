from __future__ import annotations

import cv2
import numpy as np
import pytest

from defocus_depth.evaluation.baselines import ImageBlur, ZhuoSimConfig, zhuo_sim_depth
from defocus_depth.evaluation.baselines.zhuo_sim import edge_blur_px, spread

CONFIG = ZhuoSimConfig()


def blurred_checks(sigma_px: float, size: tuple[int, int] = (160, 240)) -> np.ndarray:
    rows, columns = np.indices(size)
    checks = 0.2 + 0.6 * ((rows // 40 + columns // 40) % 2)
    return cv2.GaussianBlur(checks.astype(np.float32), (0, 0), sigma_px)


def encoded(linear: np.ndarray) -> np.ndarray:
    return np.round(linear * 65535).astype(np.uint16)


@pytest.mark.parametrize("sigma_px", [0.8, 1.5, 2.5, 4.0])
@pytest.mark.parametrize("noise", [0.0, 0.005])
def test_measures_the_blur_of_an_edge(sigma_px: float, noise: float) -> None:
    step = np.zeros((120, 160), np.float32)
    step[:, 80:] = 0.8
    image = cv2.GaussianBlur(step, (0, 0), sigma_px)
    image += np.random.default_rng(1).normal(0, noise, image.shape).astype(np.float32)
    edges, found_px = edge_blur_px(image, CONFIG)
    assert edges.sum() == pytest.approx(120, abs=4) and edges[:, 78:82].sum() >= 116
    assert np.median(found_px[edges]) == pytest.approx(sigma_px, rel=0.08, abs=0.15)  # the edge lies between two pixels


@pytest.mark.parametrize(("depth_m", "focus_dpt"), [(0.8, 2.5), (2.0, 2.5), (0.5, 0.0), (1.0, 0.0)])
def test_depth_of_a_plane_beyond_near_focus_or_nearer_than_infinity(depth_m: float, focus_dpt: float) -> None:
    gain = 4.0
    sigma_px = abs(gain * (focus_dpt - 1 / depth_m)) / 4
    image = encoded(blurred_checks(sigma_px))
    found_m = zhuo_sim_depth(image, ImageBlur(gain, focus_dpt), "linear")
    assert found_m.shape == image.shape and found_m.dtype == np.float32
    assert np.median(1 / found_m) == pytest.approx(1 / depth_m, abs=0.25)


def test_large_images_are_measured_in_their_own_pixels() -> None:
    gain, focus_dpt = 16.0, 2.5
    sigma_px = gain * (focus_dpt - 1.0) / 4
    image = encoded(
        cv2.resize(blurred_checks(sigma_px / 4), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC).clip(0, 1)
    )
    found_m = zhuo_sim_depth(image, ImageBlur(gain, focus_dpt), "linear")
    assert np.median(1 / found_m) == pytest.approx(1.0, abs=0.25)


def test_results_are_clamped_and_finite_without_edges() -> None:
    flat = np.full((60, 80, 3), 90, np.uint8)
    assert np.allclose(zhuo_sim_depth(flat, ImageBlur(8.0, 2.0)), 0.5)
    very_blurred = encoded(blurred_checks(9.0))
    found_m = zhuo_sim_depth(very_blurred, ImageBlur(1.0, 2.5), "linear")
    assert found_m.max() == pytest.approx(CONFIG.depth_max_m) and found_m.min() >= CONFIG.depth_min_m


def test_spreading_is_linear_between_edges_on_a_flat_guide() -> None:
    edges = np.zeros((6, 21), bool)
    edges[:, 0] = edges[:, -1] = True
    values = np.tile(np.linspace(99, 3, 21, dtype=np.float32), (6, 1))
    values[:, 0], values[:, -1] = 1.0, 3.0
    tight = ZhuoSimConfig(edge_weight=1e6)
    dense = spread(np.full((6, 21), 0.5, np.float32), edges, values, tight)
    np.testing.assert_allclose(dense, np.tile(np.linspace(1, 3, 21), (6, 1)), atol=1e-4)


def test_spreading_stops_at_steps_of_the_guide() -> None:
    guide = np.where(np.arange(30) < 12, 0.1, 0.9).astype(np.float32) * np.ones((8, 1), np.float32)
    edges = np.zeros((8, 30), bool)
    edges[:, 0] = edges[:, -1] = True
    values = np.where(np.arange(30) < 12, 1.0, 4.0).astype(np.float32) * np.ones((8, 1), np.float32)
    dense = spread(guide, edges, values, CONFIG)
    assert dense[:, :12].max() < 1.1 and dense[:, 12:].min() > 3.9
