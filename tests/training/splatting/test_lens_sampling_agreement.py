"""The coverage renderer against pictures taken through a sampled lens (`simulation.lens_sampling`): real occlusion."""

import cv2
import numpy as np
import pytest
import torch

from defocus_depth.optics import coc_from_inverse_depth, focus_dpt
from defocus_depth.simulation.lens_sampling import RayBudget, make_view, render_depth, render_radiance
from defocus_depth.simulation.rendering import render_linear
from defocus_depth.simulation.rigs import ROBOT
from defocus_depth.simulation.scenes import make_scene
from defocus_training.splatting.pixel_splats import splat_sweep

RIG = ROBOT.at_size(128, 96)
RAYS = RayBudget(samples_per_pixel=144, seed=5)
RIM_STEP_PX, RIM_WIDTH_PX, OUTSIDE_PX = 1.0, 9, 5


def psnr(image, truth, where):
    return -10 * np.log10(((image - truth)[where] ** 2).mean())


@pytest.fixture(scope="module")
def figures():
    """PSNR over the picture and near depth edges, for scenes (rows) and the sweep's foci (columns)."""
    return np.array([[_figures(seed, focus_m) for focus_m in RIG.sweep_m[::2]] for seed in range(6)])


def _figures(seed, focus_m):
    scene = make_scene(RIG, seed)
    pinhole = make_view(RIG.camera, 0.0, 0.0)
    sharp = render_radiance(scene.tables(), RIG.camera, pinhole, RayBudget(36, 1)) * np.float32(scene.exposure)
    inverse_depth = 1 / render_depth(scene.tables(), RIG.camera)
    coc = coc_from_inverse_depth(inverse_depth, RIG.blur_gain_px_per_dpt(focus_m), focus_dpt(focus_m))

    rank, blur = (torch.from_numpy(values.astype(np.float32))[None, None] for values in (inverse_depth, coc))
    image, _ = splat_sweep(torch.from_numpy(sharp).permute(2, 0, 1)[None], rank, blur)
    inside = np.zeros(coc.shape, bool)
    inside[OUTSIDE_PX:-OUTSIDE_PX, OUTSIDE_PX:-OUTSIDE_PX] = True
    truth = render_linear(scene, RIG, focus_m, RAYS)
    step = cv2.dilate(coc, np.ones((3, 3))) - cv2.erode(coc, np.ones((3, 3)))
    rim = cv2.dilate((step > RIM_STEP_PX).astype(np.uint8), np.ones((RIM_WIDTH_PX, RIM_WIDTH_PX))) > 0
    rendered = image[0, 0].permute(1, 2, 0).numpy()
    return psnr(rendered, truth, inside), psnr(rendered, truth, inside & rim)


def test_pictures_agree_to_40_db(figures):
    assert figures[..., 0].mean() > 40, figures[..., 0]


def test_depth_edges_agree_to_35_db(figures):
    assert figures[..., 1].mean() > 35, figures[..., 1]
