"""The path-traced yardstick: rigs and sensor by arithmetic, the renderer by discs whose diameter a formula knows."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.stacks import load_ground_truth, load_image, read_stack, validate_stack
from defocus_depth.types import CameraIntrinsics

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import path_traced
from pathtracing import meshes, textures
from pathtracing.renderer import Light, Material, Renderer, SceneDescription, Surface, load_mitsuba, pinhole_depth_m
from pathtracing.rigs import RIGS
from pathtracing.sensor import Sensor

SIDE = 48
ROBOT = RIGS["robot"]
CAMERA = CameraIntrinsics(SIDE, SIDE, ROBOT.camera.fx, ROBOT.camera.fx, (SIDE - 1) / 2, (SIDE - 1) / 2)


@pytest.fixture(scope="module")
def mitsuba():
    pytest.importorskip("mitsuba")
    try:
        return load_mitsuba(threads=1)
    except (ConfigError, ImportError, RuntimeError) as error:
        pytest.skip(f"Mitsuba's LLVM variant does not run here: {error}")


def patch(centre_px: float, side_px: float, depth_m: float) -> meshes.Mesh:
    """A frontal square, its size and place given in pixels of CAMERA."""
    scale = depth_m / CAMERA.fx
    corner = np.array([centre_px - side_px / 2 - CAMERA.cx, centre_px - side_px / 2 - CAMERA.cy, 0]) * scale
    corner[2] = depth_m
    return meshes.quad(corner, np.array([0, side_px * scale, 0]), np.array([side_px * scale, 0, 0]))  # faces the camera


@pytest.mark.parametrize(("focus_m", "depth_m"), [(0.35, 0.5), (0.35, 3.0), (1.0, 0.5), (1.8, 0.4)])
def test_disc_diameter_is_blur_gain_times_dioptres(mitsuba, focus_m, depth_m):
    spot_px = 2.0
    scene = SceneDescription([], [Light(patch(CAMERA.cx, spot_px, depth_m), np.ones(3))])
    renderer = Renderer(mitsuba, scene, CAMERA)
    image = renderer.picture(ROBOT.aperture_diameter_m(focus_m), focus_m, 1024, seed=3).mean(axis=-1)
    row, column = np.mgrid[:SIDE, :SIDE]
    weight = image / image.sum()
    middle = (weight * column).sum(), (weight * row).sum()
    variance = (weight * ((column - middle[0]) ** 2 + (row - middle[1]) ** 2)).sum() / 2
    diameter_px = 4 * np.sqrt(variance - (spot_px**2 + 1) / 12)  # less the spot's own and the pixel's variance
    assert diameter_px == pytest.approx(ROBOT.blur_gain_px_per_dpt(focus_m) * abs(1 / focus_m - 1 / depth_m), rel=0.03)
    assert middle == pytest.approx((CAMERA.cx, CAMERA.cy), abs=0.25)


def test_a_point_appears_where_the_pinhole_model_says(mitsuba):
    scene = SceneDescription(
        [], [Light(meshes.quad(np.array([0.01, 0.005, 1]), *np.eye(3)[[1, 0]] * 2e-3), np.ones(3))]
    )
    image = Renderer(mitsuba, scene, CAMERA).picture(0, 1.0, 64, seed=1).mean(axis=-1)
    row, column = np.mgrid[:SIDE, :SIDE]
    weight = image / image.sum()
    expected = CAMERA.cx + CAMERA.fx * 0.011, CAMERA.cy + CAMERA.fy * 0.006
    assert ((weight * column).sum(), (weight * row).sum()) == pytest.approx(expected, abs=0.1)


def test_depth_is_z_and_edges_are_not_averaged(mitsuba):
    wide = replace(CAMERA, fx=SIDE / 2, fy=SIDE / 2)  # 90 degrees: z and ray distance differ by up to 1.7
    near = meshes.quad(np.array([-5.0, -5, 1]), np.array([0, 10.0, 0]), np.array([5.3, 0, 0]))
    far = meshes.quad(np.array([-9.0, -9, 2]), np.array([0, 18.0, 0]), np.array([18.0, 0, 0]))
    material = Material(texture_seed=0, texel_m=1e-3)
    depth_m = pinhole_depth_m(mitsuba, SceneDescription([Surface(near, material), Surface(far, material)], []), wide)
    assert depth_m.dtype == np.float32
    columns_near = (np.arange(SIDE) - wide.cx) / wide.fx < 0.3
    np.testing.assert_allclose(depth_m, np.broadcast_to(np.where(columns_near, 1.0, 2.0), depth_m.shape), rtol=1e-5)
    assert np.isnan(pinhole_depth_m(mitsuba, SceneDescription([], [Light(near, np.ones(3))]), wide)[:, -1]).all()


def test_a_written_stack_is_valid_and_kept(mitsuba, tmp_path, monkeypatch):
    monkeypatch.setitem(path_traced.RIGS, "robot", replace(ROBOT, camera=ROBOT.camera.scaled(64, 48)))
    monkeypatch.setattr(textures, "SIZE", 96)  # small, for speed
    options = path_traced.Options(tmp_path, count=1, seed=7, rig="robot", spp=1, threads=1)
    path_traced.run(options)
    folder = tmp_path / "robot_7_000"
    assert validate_stack(folder) == []
    stack = read_stack(folder)
    assert [frame.focus_distance_m for frame in stack.frames] == list(ROBOT.foci_m)
    depth_m = load_ground_truth(stack)
    assert depth_m is not None and ROBOT.near_m <= depth_m.min() and depth_m.max() <= ROBOT.far_m
    assert load_image(stack, 0).shape == (48, 64, 3)
    written = (folder / "stack.json").stat().st_mtime_ns
    path_traced.run(options)  # a second run completes a data set, it never redoes a stack
    assert (folder / "stack.json").stat().st_mtime_ns == written


def test_the_same_seed_gives_the_same_scene(mitsuba):
    first, second, other = (
        path_traced.acceptable_scene(mitsuba, ROBOT, np.random.default_rng(seed))[1] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("rig", RIGS.values(), ids=lambda rig: rig.name)
def test_the_first_frame_focuses_nearer_than_every_scene(rig):
    assert rig.foci_m[0] < rig.near_m < rig.far_m
    assert list(rig.foci_m) == sorted(rig.foci_m)


def test_the_effective_aperture_tends_to_f_over_n():
    assert ROBOT.camera.fx == pytest.approx(1333.3, abs=0.1)
    assert ROBOT.aperture_diameter_m(1e6) == pytest.approx(8e-3 / 1.4, rel=1e-4)


def test_sensor_noise_is_shot_and_read_noise():
    sensor = Sensor(exposure=1.0, full_scale_e=5000, read_noise_e=5)
    grey = 0.2140  # linear; encodes to 0.5, where sRGB rises by 1.08 per unit of radiance
    picture = sensor.develop(np.full((400, 400, 3), grey), np.random.default_rng(1)).astype(float)
    expected_levels = np.hypot(np.sqrt(grey * 5000), 5) / 5000 * 1.0834 * 255
    assert picture.mean() == pytest.approx(127.5, abs=0.5)
    assert picture.std() == pytest.approx(np.hypot(expected_levels, 12**-0.5), rel=0.05)  # beside rounding


@pytest.mark.parametrize("family", textures.FAMILIES)
def test_generated_textures_are_reflectances(family):
    picture = textures.FAMILIES[family](np.random.default_rng(2))
    assert picture.shape == (textures.SIZE, textures.SIZE, 3)
    assert np.isfinite(picture).all() and picture.std() > 0.02


def test_a_photo_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"expected a folder with \.jpg or \.png files, found none"):
        textures.TextureBox(tmp_path)


SOLIDS = {
    "ball": (meshes.ball(0.5), np.pi / 6),
    "prism": (meshes.extrusion(meshes.star(1.0, 3, 1.0), 0.5), 0.5 * 1.5 * np.sqrt(3)),  # a hexagon's; open at z = 0
    "ring": (meshes.ring(1.0, 0.2), 2 * np.pi**2 * 0.2**2),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_closed_meshes_enclose_their_solids_volume(name):
    """Signed volume: a hole, a triangle turned over or a wrong size changes it."""
    mesh, volume = SOLIDS[name]
    a, b, c = (mesh.vertices[mesh.triangles[:, i]] for i in range(3))
    assert abs(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6) == pytest.approx(
        volume, rel=0.03
    )  # the facets cut corners
