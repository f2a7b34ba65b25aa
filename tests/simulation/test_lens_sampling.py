"""Lens sampling against closed forms of the uniform blur disc."""

import dataclasses

import numpy as np
import pytest

from defocus_depth.optics import coc_from_inverse_depth
from defocus_depth.simulation.lens_sampling import RayBudget, make_view, render_depth, render_radiance
from defocus_depth.simulation.rendering import RenderOptions, coc_map, render_frame, render_linear, render_stack
from defocus_depth.simulation.rigs import ROBOT
from defocus_depth.simulation.scenes import make_scene

from .conftest import sheet

BAND = dataclasses.replace(ROBOT, camera=dataclasses.replace(ROBOT.camera, height=32, cy=15.5))  # a crop: same blur
COLUMNS = np.arange(ROBOT.camera.width) - ROBOT.camera.cx


def disc_share_left_of(offset_px: np.ndarray, diameter_px: float) -> np.ndarray:
    """Share of a disc's area at x < offset from its centre (circular segment)."""
    t = np.clip(2 * offset_px / diameter_px, -1, 1)
    return (np.arcsin(t) + t * np.sqrt(1 - t * t)) / np.pi + 0.5


def smoothed(profile_of, columns: np.ndarray) -> np.ndarray:
    """Mean over each pixel's width."""
    steps = (np.arange(16) + 0.5) / 16 - 0.5
    return np.mean([profile_of(columns + step) for step in steps], axis=0)


def mean_row(scene, focus_distance_m: float, samples: int = 256) -> np.ndarray:
    return render_linear(scene, BAND, focus_distance_m, RayBudget(samples))[:, :, 1].mean(axis=0)


@pytest.mark.parametrize(("depth_m", "focus_m"), [(1.0, 0.35), (2.5, 0.35), (0.5, 2.0), (0.45, np.inf)])
def test_the_edge_of_a_half_plane_is_spread_by_the_disc(flat_scene, depth_m, focus_m):
    """White card on black, one depth behind the other too little to matter: the profile is the disc's edge."""
    scene = flat_scene(sheet(depth_m * 1.0001, 0.0), sheet(depth_m, 1.0, -5.0, 0.0))
    gain, focus = ROBOT.blur_gain_px_per_dpt(focus_m), 0.0 if np.isinf(focus_m) else 1 / focus_m
    diameter = abs(coc_from_inverse_depth(1 / depth_m, gain, focus))
    expected = smoothed(lambda x: disc_share_left_of(-x, diameter), COLUMNS)
    assert diameter > 5
    np.testing.assert_allclose(mean_row(scene, focus_m), expected, atol=6e-3)


def test_the_blur_disc_has_a_standard_deviation_of_a_quarter_of_its_diameter(flat_scene):
    scene = flat_scene(sheet(1.0001, 0.0), sheet(1.0, 1.0, -5.0, 0.0))
    line = -np.diff(mean_row(scene, 0.35))
    place = COLUMNS[:-1] + 0.5
    mean = (line * place).sum() / line.sum()
    spread = np.sqrt((line * (place - mean) ** 2).sum() / line.sum())
    diameter = ROBOT.blur_gain_px_per_dpt(0.35) * (1 / 0.35 - 1)
    assert mean == pytest.approx(0, abs=0.05)
    assert spread == pytest.approx(diameter / 4, rel=0.02)


def test_a_blurred_foreground_is_a_veil_over_a_sharp_background(flat_scene):
    """All rays that pass the card's edge meet at one point of the background, which is in focus."""
    bright = np.zeros((512, 512, 3), np.float32)
    bright[:, ::64] = 1.0  # thin bright lines, 64 mm apart
    bright = np.repeat(bright[:, ::16], 16, axis=1)  # 16 mm wide
    back, front = sheet(2.0, 1.0, texture=0), sheet(0.5, 0.3, -5.0, 0.0)
    diameter = ROBOT.blur_gain_px_per_dpt(2.0) * 1.5
    sharp = mean_row(flat_scene(back, textures=[bright]), 2.0)
    veil = smoothed(lambda x: disc_share_left_of(-x, diameter), COLUMNS)
    row = mean_row(flat_scene(back, front, textures=[bright]), 2.0)
    uniform = np.abs(np.gradient(sharp)) < 1e-3  # where the background does not change within a pixel
    assert 100 < uniform.sum() < ROBOT.camera.width and sharp[uniform].std() > 0.3
    np.testing.assert_allclose(row[uniform], (veil * 0.3 + (1 - veil) * sharp)[uniform], atol=8e-3)


def test_a_sharp_foreground_keeps_a_sharp_edge_before_a_blurred_background(flat_scene):
    scene = flat_scene(sheet(2.0, 0.2), sheet(0.5, 0.8, -5.0, 0.0))
    expected = np.where(COLUMNS < 0, 0.8, 0.2)
    np.testing.assert_allclose(mean_row(scene, 0.5), expected, atol=2e-3)


def test_blur_keeps_energy(flat_scene):
    scene = flat_scene(sheet(2.0, 0.0), sheet(1.0, 1.0, -0.01, 0.01))
    widths = [mean_row(scene, focus).sum() for focus in (0.35, 0.6, 1.0)]
    assert widths == pytest.approx([0.02 * ROBOT.camera.fx] * 3, rel=2e-3)


def test_depth_is_exact_and_nothing_is_nan(flat_scene):
    empty = flat_scene(sheet(0.5, 1.0, -0.01, 0.01))
    depth_m = render_depth(empty.tables(), BAND.camera)
    inside = np.abs(COLUMNS / ROBOT.camera.fx * 0.5) < 0.01
    np.testing.assert_array_equal(depth_m[16, inside], np.float32(0.5))
    assert np.isnan(depth_m[16, ~inside]).all()


def test_fine_texture_does_not_alias(flat_scene):
    """A pattern far finer than a pixel renders as its mean, even with few rays."""
    fine = np.zeros((512, 512, 3), np.float32)
    fine[::2, ::2] = fine[1::2, 1::2] = 1.0
    scene = flat_scene(sheet(3.0, 1.0, texture=0), textures=[fine])  # 1 mm texels, a pixel is 2.2 mm
    pinhole = make_view(BAND.camera, 0.0, 0.0)
    for samples in (1, 4, 16):
        picture = render_radiance(scene.tables(), BAND.camera, pinhole, RayBudget(samples))
        assert picture.mean() == pytest.approx(0.5, abs=0.01)
        assert picture.std() < 0.3 / np.sqrt(samples)


def test_more_rays_less_noise_and_the_same_seed_the_same_picture():
    scene, view = make_scene(ROBOT, 5), make_view(BAND.camera, BAND.blur_gain_px_per_dpt(0.35), 1 / 0.35)
    tables = scene.tables()
    few, again, other, many, reference = (
        render_radiance(tables, BAND.camera, view, RayBudget(samples, seed))
        for samples, seed in ((16, 1), (16, 1), (16, 2), (64, 1), (256, 3))
    )
    np.testing.assert_array_equal(few, again)
    assert not np.array_equal(few, other)
    assert np.std(many - reference) < 0.6 * np.std(few - reference)


def test_frames_hold_picture_depth_and_signed_blur():
    scene = make_scene(ROBOT, 3)
    frame = render_frame(scene, BAND, 1.0, RenderOptions(samples_per_pixel=4))
    shape = (BAND.camera.height, BAND.camera.width)
    assert frame.image.shape == (*shape, 3) and frame.image.dtype == np.uint8
    assert frame.depth_m.shape == frame.coc_px.shape == shape
    np.testing.assert_array_equal(frame.coc_px > 0, frame.depth_m > 1.0)
    np.testing.assert_array_equal(frame.coc_px, coc_map(frame.depth_m, BAND, 1.0))


def test_stacks_keep_exposure_and_change_noise():
    scene = make_scene(ROBOT, 3)
    options = RenderOptions(samples_per_pixel=4, threads=2)
    first, second = render_stack(scene, BAND, [0.35, 0.35], options)
    assert not np.array_equal(first.image, second.image)
    assert first.image.mean() == pytest.approx(second.image.mean(), rel=5e-3)
    np.testing.assert_array_equal(first.depth_m, second.depth_m)


def test_no_two_scenes_share_their_noise():
    options = RenderOptions(samples_per_pixel=4)
    plain = make_scene(ROBOT, 3)
    first, second = (
        render_stack(dataclasses.replace(plain, seed=seed), BAND, [0.35], options)[0].image for seed in (3, 4)
    )
    noise = np.subtract(first, second, dtype=np.float32)
    assert noise.std() > 1
