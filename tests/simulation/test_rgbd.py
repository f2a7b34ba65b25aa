"""Defocus put into RGB-D pictures: closed forms, and the ray-traced lens as an independent truth."""

import cv2
import numpy as np
import pytest

from defocus_depth.errors import ImageError, OpticsError
from defocus_depth.optics import coc_from_inverse_depth, focus_dpt
from defocus_depth.simulation.disc_kernels import STEP_PX, disc_table
from defocus_depth.simulation.lens_sampling import RayBudget, make_view, render_depth, render_radiance
from defocus_depth.simulation.rendering import render_linear
from defocus_depth.simulation.rgbd import render_defocus
from defocus_depth.simulation.rigs import ROBOT
from defocus_depth.simulation.scenes import make_scene
from defocus_depth.types import LensParameters

GAIN = LensParameters(blur_gain_px_per_dpt=8.0)
NEAR_M, FAR_M = 0.5, 2.0  # 12 px of blur between them


def grey(values):
    return np.repeat(np.asarray(values, np.float32)[..., None], 3, -1)


def disc_share_left_of(offset_px, diameter_px):
    """Share of a disc's area at x < offset from its centre (circular segment)."""
    t = np.clip(2 * offset_px / diameter_px, -1, 1)
    return (np.arcsin(t) + t * np.sqrt(1 - t * t)) / np.pi + 0.5


def dense_discs(largest_px):
    """The table's discs as weights on a common grid."""
    table = disc_table(largest_px)
    size = 2 * table.reach_px + 1
    for start, end in zip(table.starts[:-1], table.starts[1:], strict=True):
        grid = np.zeros((size, size + 1))
        np.add.at(
            grid,
            (table.rows[start:end] + table.reach_px, table.columns[start:end] + table.reach_px),
            table.rises[start:end],
        )
        yield np.cumsum(grid, 1)[:, :-1]


def test_discs_keep_energy_and_have_a_deviation_of_a_quarter_of_their_diameter():
    for index, disc in enumerate(dense_discs(16)):
        place = np.arange(len(disc)) - len(disc) // 2
        assert disc.sum() == pytest.approx(1, abs=1e-5) and disc.min() > -1e-6
        assert disc.sum(0) == pytest.approx(disc.sum(0)[::-1], abs=1e-5)
        if index:
            assert np.sqrt((disc.sum(0) * place**2).sum()) == pytest.approx(index * STEP_PX / 4, abs=0.05)
            assert np.sqrt((disc.sum(1) * place**2).sum()) == pytest.approx(index * STEP_PX / 4, abs=0.05)


def test_a_picture_at_the_focus_distance_stays_as_it_is():
    sharp = np.random.default_rng(0).random((40, 50, 3), np.float32)
    out = render_defocus(sharp, np.full((40, 50), 1.5, np.float32), 1.5, GAIN)
    assert out.dtype == np.float32 and out.shape == sharp.shape
    np.testing.assert_allclose(out, sharp, atol=1e-5)


@pytest.mark.parametrize(("depth_m", "focus_m"), [(0.5, 1.0), (2.0, 0.5), (np.inf, 1.0), (1.0, np.inf)])
def test_a_painted_edge_is_spread_by_the_disc(depth_m, focus_m):
    columns = np.arange(64) - 31.5
    out = render_defocus(grey(np.tile(columns < 0, (48, 1))), np.full((48, 64), depth_m, np.float32), focus_m, GAIN)
    diameter = 8 * abs(1 / focus_m - 1 / depth_m)
    expected = np.mean([disc_share_left_of(-columns + s, diameter) for s in np.linspace(-0.48, 0.48, 25)], 0)
    np.testing.assert_allclose(out[24, :, 0], expected, atol=0.02)


def two_sheets(left, right, focus_m):
    """A near sheet of radiance `left` up to the middle, before a far one that shows `right` (a row)."""
    near = np.arange(64) < 32
    depth_m = np.tile(np.where(near, NEAR_M, FAR_M), (48, 1)).astype(np.float32)
    return render_defocus(grey(np.tile(np.where(near, left, right), (48, 1))), depth_m, focus_m, GAIN)[24, :, 0]


def test_a_blurred_foreground_is_a_veil_over_a_sharp_background():
    stripes = np.where(np.arange(64) % 8 < 4, 1.0, 0.2)
    row = two_sheets(0.0, stripes, FAR_M)
    veil = disc_share_left_of(-(np.arange(64) - 31.5), 12.0)
    np.testing.assert_allclose(row[32:], ((1 - veil) * stripes)[32:], atol=0.02)
    assert row[:26] == pytest.approx(0, abs=1e-3)
    assert (row[27:32] > 0.01).all()  # the lens looks past the edge at what the picture does not show


def test_a_sharp_foreground_keeps_a_sharp_edge_before_a_blurred_background():
    row = two_sheets(0.8, 0.2, NEAR_M)
    np.testing.assert_allclose(row, np.where(np.arange(64) < 32, 0.8, 0.2), atol=1e-3)


def test_a_small_bright_object_keeps_its_energy():
    sharp, depth_m = np.zeros((64, 64), np.float32), np.full((64, 64), FAR_M, np.float32)
    sharp[30:33, 30:33], depth_m[30:33, 30:33] = 1.0, NEAR_M
    assert render_defocus(grey(sharp), depth_m, FAR_M, GAIN)[..., 0].sum() == pytest.approx(9, rel=0.01)


def test_a_slanted_surface_stays_closed():
    depth_m = np.tile(1 / np.linspace(2.5, 0.1, 80), (60, 1)).astype(np.float32)
    out = render_defocus(np.ones((60, 80, 3), np.float32), depth_m, 0.4, GAIN)
    np.testing.assert_allclose(out, 1, atol=1e-4)


def test_unknown_depth_is_taken_from_the_nearest_known_pixel():
    sharp = np.random.default_rng(1).random((40, 48, 3), np.float32)
    whole = np.full((40, 48), 0.7, np.float32)
    holed = whole.copy()
    holed[10:20, 5:30], holed[30, 30] = np.nan, 0
    np.testing.assert_array_equal(render_defocus(sharp, holed, 2.0, GAIN), render_defocus(sharp, whole, 2.0, GAIN))


def test_a_lens_of_another_width_is_scaled():
    sharp = np.random.default_rng(2).random((40, 48, 3), np.float32)
    depth_m = np.full((40, 48), 0.7, np.float32)
    wide = LensParameters(blur_gain_px_per_dpt=16.0, image_width_px=96)
    np.testing.assert_array_equal(render_defocus(sharp, depth_m, 2.0, wide), render_defocus(sharp, depth_m, 2.0, GAIN))


def test_bad_input_is_refused_with_what_was_expected():
    sharp, depth_m = np.ones((4, 5, 3), np.float32), np.ones((4, 5), np.float32)
    with pytest.raises(ImageError, match=r"expected radiance \(H, W, 3\).*\(4, 5, 3\), \(4, 6\)"):
        render_defocus(sharp, np.ones((4, 6), np.float32), 1.0, GAIN)
    with pytest.raises(ImageError, match="expected depth at some pixel"):
        render_defocus(sharp, depth_m * np.nan, 1.0, GAIN)
    with pytest.raises(ImageError, match="finite radiance"):
        render_defocus(sharp * np.nan, depth_m, 1.0, GAIN)
    with pytest.raises(OpticsError, match="focus_distance_m"):
        render_defocus(sharp, depth_m, 0.0, GAIN)


RIG = ROBOT.at_size(160, 120)


@pytest.fixture(scope="module")
def figures_db():
    """PSNR in linear light over the picture and near depth edges: (scenes, foci, 2)."""
    return np.array([[_psnr_db(seed, focus_m) for focus_m in (0.35, 1.0)] for seed in (0, 2, 3, 4)])


def _psnr_db(seed, focus_m):
    scene = make_scene(RIG, seed)
    pinhole = make_view(RIG.camera, 0.0, 0.0)
    sharp = render_radiance(scene.tables(), RIG.camera, pinhole, RayBudget(36, 1)) * np.float32(scene.exposure)
    depth_m = render_depth(scene.tables(), RIG.camera)
    error2 = (
        render_defocus(sharp, depth_m, focus_m, RIG.lens) - render_linear(scene, RIG, focus_m, RayBudget(144, 5))
    ) ** 2
    coc = coc_from_inverse_depth(1 / depth_m, RIG.blur_gain_px_per_dpt(focus_m), focus_dpt(focus_m))
    step = cv2.dilate(coc, np.ones((3, 3))) - cv2.erode(coc, np.ones((3, 3)))
    edges = cv2.dilate((step > 1).astype(np.uint8), np.ones((9, 9))) > 0
    return [-10 * np.log10(error2.mean()), -10 * np.log10(error2[edges].mean())]


def test_agrees_with_the_ray_traced_lens(figures_db):
    assert figures_db[..., 0].mean() > 38, figures_db[..., 0]


def test_agrees_with_the_ray_traced_lens_at_depth_edges(figures_db):
    assert figures_db[..., 1].mean() > 35, figures_db[..., 1]
