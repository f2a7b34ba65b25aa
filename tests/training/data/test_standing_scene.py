"""Rooms seen from above: nearer is further down, things touch what they stand on, nothing is behind the camera."""

import numpy as np
import pytest

from defocus_depth.simulation.shapes import Shape
from defocus_training.data import simulated
from defocus_training.data.pool import make_shard
from defocus_training.data.procedural import ProceduralOptions
from defocus_training.data.simulated import FARTHEST, standing_stack
from defocus_training.data.standing_scene import standing_things

HALF_VIEW = 0.5
SMALL = ProceduralOptions(size_px=48, frames=3, nearest_px=(20.0, 40.0), simulated_share=0, standing_share=1)


def inverse_depth_maps(count: int) -> list[np.ndarray]:
    return [standing_stack(np.random.default_rng(seed), SMALL).inverse_depth_px for seed in range(count)]


def test_what_is_further_down_is_nearer() -> None:
    maps = inverse_depth_maps(12)
    nearer = [u[-12:].mean() > u[:12].mean() for u in maps]
    assert np.mean(nearer) > 0.85  # something tall may stand at the top of the picture
    ratios = [u.max() / u.min() for u in maps]
    assert 1.3 < np.median(ratios) and max(ratios) < FARTHEST


def test_stacks_are_focused_from_nearer_than_the_scene_to_farther() -> None:
    stack = standing_stack(np.random.default_rng(1), SMALL)
    assert stack.radiance.shape == (3, 48, 48, 3) and stack.radiance.dtype == np.float32
    assert stack.focus_px[0] > stack.inverse_depth_px.max() and stack.focus_px[-1] < stack.inverse_depth_px.min()
    assert (np.diff(stack.focus_px) < 0).all()


@pytest.mark.parametrize("seed", range(6))
def test_finite_things_lie_before_the_camera_and_upright_ones_share_one_vertical(seed: int) -> None:
    things = standing_things(np.random.default_rng(seed), HALF_VIEW)
    assert min(p.corners_m()[:, 2].min() for p in things if p.is_finite) > 0
    down = -things[0].axes[2]  # the floor's
    for box in (thing for thing in things if thing.shape == Shape.BOX):
        np.testing.assert_allclose(box.axes[1], down, atol=1e-12)


def test_things_stand_on_the_plane_one_unit_below_the_camera_or_on_the_floor() -> None:
    for seed in range(6):
        things = standing_things(np.random.default_rng(seed), HALF_VIEW)
        floor = things[0]
        down = -floor.axes[2]
        lowest = [
            float((thing.corners_m() @ down).max()) for thing in things if thing.is_finite and thing.shape != Shape.ROD
        ]
        heights = np.array([1.0, float(floor.centre_m @ down)])
        off = np.abs(np.array(lowest)[:, None] - heights).min(1)
        assert np.median(off) < 1e-9 and (off < 0.1).all(), off  # a table's foot hangs its thickness lower


def test_lenses_and_views_vary() -> None:
    foci = [standing_stack(np.random.default_rng(seed), SMALL).focus_px[0] for seed in range(8)]
    assert min(foci) < 32 < max(foci)


def test_pools_hold_them_by_share(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    for name in ("simulate_stack", "standing_stack"):
        original = getattr(simulated, name)
        monkeypatch.setattr(
            f"defocus_training.data.pool.{name}",
            lambda *given, name=name, original=original: made.append(name) or original(*given),
        )
    make_shard([1, 2], SMALL)
    assert made == ["standing_stack"] * 2


def test_a_lens_of_twice_the_gain_sees_the_same_room_with_twice_the_blur() -> None:
    wide = ProceduralOptions(size_px=48, frames=3, nearest_px=(40.0, 40.0))
    narrow = ProceduralOptions(size_px=48, frames=3, nearest_px=(20.0, 20.0))
    u_wide, u_narrow = (standing_stack(np.random.default_rng(3), o).inverse_depth_px for o in (wide, narrow))
    np.testing.assert_allclose(u_wide, 2 * u_narrow, rtol=1e-5)
