"""Lens sampling agrees with Mitsuba's thin lens, and with no other aperture or focus."""

import sys
from pathlib import Path

import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.simulation.rigs import ROBOT

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from mitsuba_twin import compare, render_ours, render_theirs, twin_scene
from pathtracing.renderer import load_mitsuba

RIG, SAMPLES = ROBOT.at_size(96, 72), 256


@pytest.fixture(scope="module")
def mitsuba():
    try:
        return load_mitsuba(threads=1)
    except ConfigError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def scene():
    return twin_scene(1)


def test_both_renderers_make_the_same_picture_and_only_with_the_same_lens(mitsuba, scene):
    for focus_m in (0.35, 1.0):
        ours = render_ours(scene, RIG, focus_m, SAMPLES, 0)
        assert ours.std() > 0.1
        figures, other_aperture, other_focus = (
            compare(ours, render_theirs(mitsuba, scene, RIG, focused_m, SAMPLES, 0, aperture_scale=scale), focus_m)
            for focused_m, scale in ((focus_m, 1.0), (focus_m, 1.15), (1.1 * focus_m, 1.0))
        )
        assert figures.psnr_db > 44 and figures.edge_psnr_db > 38, figures
        assert max(other_aperture.edge_psnr_db, other_focus.edge_psnr_db) < figures.edge_psnr_db - 2
