"""The tour: closed paths, stored views equal rendered ones, and a cache that knows what it depends on."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.simulation.rigs import ROBOT
from defocus_depth.simulation.tour import Tour, TourOptions, path_pose

SMALL = TourOptions(width_px=64, scenes=2, views_per_scene=3, samples_per_pixel=4)


def test_stored_views_are_the_rendered_ones_and_go_round(tmp_path: Path) -> None:
    rendered = Tour(SMALL, tmp_path / "none")
    stored = Tour(SMALL, tmp_path)
    steps: list[tuple[int, int]] = []
    stored.prepare(0.35, lambda done, total: steps.append((done, total)))
    assert steps == [(count, 6) for count in range(1, 7)]
    for view in (0, 4):
        for got, wanted in zip(stored.frame(view, 0.35), rendered.frame(view, 0.35), strict=True):
            np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(stored.frame(6, 0.35)[0], stored.frame(0, 0.35)[0])
    assert not np.array_equal(stored.frame(0, 0.35)[0], stored.frame(1, 0.35)[0])
    assert not np.array_equal(stored.frame(0, 0.35)[0], stored.frame(3, 0.35)[0])


def test_a_second_run_renders_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Tour(SMALL, tmp_path).prepare(0.35)
    monkeypatch.setattr("defocus_depth.simulation.tour.render_frame", None)
    again = Tour(SMALL, tmp_path)
    again.prepare(0.35)
    image, depth_m = again.frame(2, 0.35)
    assert image.shape == (48, 64, 3) and image.dtype == np.uint8
    assert depth_m.shape == (48, 64) and depth_m.dtype == np.float32


def test_every_option_and_the_focus_make_other_files(tmp_path: Path) -> None:
    keys = {Tour(SMALL, tmp_path)._key(0.35), Tour(SMALL, tmp_path)._key(0.5)}
    changes = {
        "rig": "macro",
        "width_px": 128,
        "scenes": 3,
        "views_per_scene": 4,
        "first_seed": 9,
        "samples_per_pixel": 5,
    }
    for name, value in changes.items():
        keys.add(Tour(dataclasses.replace(SMALL, **{name: value}), tmp_path)._key(0.35))
    assert len(keys) == 2 + len(changes) == 2 + len(dataclasses.fields(TourOptions))


def test_an_interrupted_rendering_is_not_taken_for_a_finished_one(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Tour(SMALL, tmp_path).prepare(0.35, interrupt)
    assert not list(tmp_path.glob("*.npy"))


def test_depth_lies_in_the_rigs_range_on_every_view(tmp_path: Path) -> None:
    tour = Tour(dataclasses.replace(SMALL, samples_per_pixel=1), tmp_path)
    for view in range(6):
        _, depth_m = tour.frame(view, 0.35)
        assert np.isfinite(depth_m).all()
        assert depth_m.min() > 0.9 * ROBOT.depth_min_m and depth_m.max() < 1.1 * ROBOT.depth_max_m


def test_the_path_is_closed_and_its_poses_are_rotations() -> None:
    first, last = path_pose(0, 25, ROBOT), path_pose(25, 25, ROBOT)
    np.testing.assert_allclose(first.rotation, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(last.rotation, np.eye(3), atol=1e-12)
    middle = path_pose(7, 25, ROBOT).rotation
    np.testing.assert_allclose(middle @ middle.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(middle) == pytest.approx(1.0)
