"""Depth seen from elsewhere, against planes and spheres met by the target camera's own rays."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from defocus_depth.evaluation.bags.reprojection import reprojected
from defocus_depth.messages.camera_info import CameraModel
from defocus_depth.messages.rays import ray_table
from defocus_depth.types import CameraIntrinsics

DISTORTION = (-0.2, 0.05, 1e-3, -5e-4, 0.0)


def camera(width: int = 96, height: int = 72, focal_px: float = 80, distortion: tuple[float, ...] = ()) -> CameraModel:
    centre = (width - 1) / 2, (height - 1) / 2
    return CameraModel(CameraIntrinsics(width, height, focal_px, focal_px, *centre, distortion), "plumb_bob")


def pose(moved_m: tuple[float, float, float], turned_rad: tuple[float, float, float]) -> np.ndarray:
    """target_from_source."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = cv2.Rodrigues(np.array(turned_rad, np.float64))[0], moved_m
    return matrix


def plane_depth(model: CameraModel, normal: np.ndarray, distance_m: float) -> np.ndarray:
    """z of the plane normal·x = distance in the camera's frame."""
    rays = ray_table(model).astype(np.float64)
    return (distance_m / (rays @ normal[:2] + normal[2])).astype(np.float32)


@pytest.mark.parametrize("distortion", [(), DISTORTION])
def test_the_same_camera_gives_the_same_depth(distortion: tuple[float, ...]) -> None:
    depth_m = np.random.default_rng(1).uniform(0.5, 3, (72, 96)).astype(np.float32)
    depth_m[10:20, 30:50] = np.nan
    model = camera(distortion=distortion)
    found = reprojected(depth_m, model, model, np.eye(4))
    np.testing.assert_allclose(found, depth_m, rtol=1e-5)


@pytest.mark.parametrize("target", [camera(), camera(192, 144, 170, DISTORTION), camera(48, 36, 35)])
def test_a_slanted_plane_from_elsewhere(target: CameraModel) -> None:
    source, normal, distance_m = camera(distortion=DISTORTION), np.array([0.3, -0.2, 0.93]), 1.5
    target_from_source = pose((0.06, -0.02, 0.03), (0.02, -0.05, 0.03))
    turned = target_from_source[:3, :3] @ normal
    expected = plane_depth(target, turned, distance_m + float(turned @ target_from_source[:3, 3]))
    found = reprojected(plane_depth(source, normal, distance_m), source, target, target_from_source)
    known = np.isfinite(found)
    assert known.mean() > 0.6 and known[target.intrinsics.height // 2, target.intrinsics.width // 2]
    np.testing.assert_allclose(found[known], expected[known], rtol=0.02)
    assert np.median(np.abs(found[known] / expected[known] - 1)) < 0.004


def test_what_is_near_hides_what_is_behind_it() -> None:
    """A target of twice the resolution: the near square's pixels must leave no holes for the wall behind."""
    source, target = camera(), camera(192, 144, 160)
    depth_m = np.full((72, 96), 3.0, np.float32)
    depth_m[26:46, 38:58] = 1.0
    found = reprojected(depth_m, source, target, pose((-0.1, 0, 0), (0, 0, 0)))
    rows, columns = np.nonzero(found < 2)
    inside = found[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert (inside < 2).all() and inside.size == pytest.approx(40 * 40, rel=0.08)
    beside = found[72, columns.max() + 1 : columns.max() + 12]
    assert np.isnan(beside).any()  # the source did not see behind the square's edge


def test_points_behind_the_target_or_beside_it_are_dropped() -> None:
    depth_m = np.full((72, 96), 1.0, np.float32)
    assert np.isnan(reprojected(depth_m, camera(), camera(), pose((0, 0, -2), (0, 0, 0)))).all()
    assert np.isnan(reprojected(depth_m, camera(), camera(), pose((50, 0, 0), (0, 0, 0)))).all()
    assert np.isnan(reprojected(np.full((72, 96), np.nan, np.float32), camera(), camera(), np.eye(4))).all()
