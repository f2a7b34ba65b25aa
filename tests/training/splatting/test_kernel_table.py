"""Tabulated kernels against what defines them: unit sum, the shape's second moment, its outline."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from defocus_depth.errors import ConfigError
from defocus_training.splatting.kernel_table import STEP_PX, kernel_table, second_moment, sized_kernel
from defocus_training.splatting.psf import DiscPsf, GaussianPsf, PolygonPsf

PSFS = [DiscPsf(), GaussianPsf(0.25), PolygonPsf(3), PolygonPsf(6, 0.2)]


@pytest.mark.parametrize("psf", PSFS, ids=str)
@settings(max_examples=40, deadline=None)
@given(coc_px=st.floats(-16, 16))
def test_every_kernel_keeps_the_light(psf, coc_px):
    kernel = kernel_table(psf, 16.0).kernel(coc_px)
    assert abs(kernel.sum() - 1) < 1e-5
    assert kernel.min() > -1e-7


@pytest.mark.parametrize("psf", PSFS, ids=str)
@pytest.mark.parametrize("coc_px", [STEP_PX, 1.0, 2.5, 6.75, 15.0])
def test_the_grid_adds_no_blur(psf, coc_px):
    moment = second_moment(sized_kernel(psf, coc_px))
    assert math.isclose(math.sqrt(moment), psf.sigma_per_coc * coc_px, rel_tol=0.01)


def test_a_disc_is_flat_inside_and_empty_outside():
    kernel = kernel_table(DiscPsf(), 32.0).kernel(20.0)
    half = len(kernel) // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    distance = np.hypot(x, y)
    inside = kernel[distance < 9]
    assert np.allclose(inside, 1 / (math.pi * 100), rtol=0.01)
    assert kernel[distance > 11].max() < 1e-6


@pytest.mark.parametrize("blades", [3, 4, 5, 6, 8])
def test_polygons_have_the_area_of_the_disc_and_their_own_second_moment(blades):
    psf = PolygonPsf(blades, 0.3)
    kernel = kernel_table(psf, 32.0).kernel(20.0)
    assert math.isclose(kernel.max(), 1 / (math.pi * 100), rel_tol=0.01)
    points = np.random.default_rng(0).uniform(-1.6, 1.6, (200_000, 2)) * 10
    angles = 0.3 + (np.arange(blades) + 0.5) * 2 * np.pi / blades
    corner = 10 * math.sqrt(2 * math.pi / (blades * math.sin(2 * math.pi / blades)))
    inside = (points @ np.stack([np.cos(angles), np.sin(angles)]) <= corner * math.cos(math.pi / blades)).all(1)
    assert math.isclose(points[inside].std(0).mean(), 20 * psf.sigma_per_coc, rel_tol=0.02)


def test_bad_shapes_are_refused():
    with pytest.raises(ConfigError, match=r"kappa: expected a number in \(0, 1\), got 1.5"):
        GaussianPsf(1.5)
    with pytest.raises(ConfigError, match="blades: expected 3..12, got 2"):
        PolygonPsf(2)
