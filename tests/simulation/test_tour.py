"""The tour: paths out and back, stored views equal rendered ones, and a cache that knows what it depends on."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from defocus_depth.simulation.rigs import RIGS, ROBOT
from defocus_depth.simulation.tour import Tour, TourOptions, breathing, path_pose

SMALL = TourOptions(width_px=64, scenes=2, views_per_scene=3, samples_per_pixel=4)


def test_stored_views_are_the_rendered_ones_and_go_round(tmp_path: Path) -> None:
    rendered = Tour(SMALL, tmp_path / "none")
    stored = Tour(SMALL, tmp_path)
    steps: list[tuple[int, int]] = []
    stored.prepare(0.35, lambda done, total: steps.append((done, total)))
    assert steps == [(count, 4) for count in range(1, 5)]  # out and back: two places for three views
    for view in (0, 4):
        for got, wanted in zip(stored.frame(view, 0.35), rendered.frame(view, 0.35), strict=True):
            np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(stored.frame(6, 0.35)[0], stored.frame(0, 0.35)[0])
    assert not np.array_equal(stored.frame(0, 0.35)[0], stored.frame(1, 0.35)[0])
    assert not np.array_equal(stored.frame(0, 0.35)[0], stored.frame(3, 0.35)[0])


def test_a_second_run_renders_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Tour(SMALL, tmp_path).prepare(0.35)
    monkeypatch.setattr("defocus_depth.simulation.tour.render_frame", None)
    monkeypatch.setattr("defocus_depth.simulation.tour.make_scene", None)
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


def test_another_renderer_makes_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Tour(SMALL, tmp_path)._key(0.35)
    monkeypatch.setattr("defocus_depth.simulation.tour.source_digest", lambda: "changed")
    assert Tour(SMALL, tmp_path)._key(0.35) != before


def test_an_interrupted_rendering_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Tour(SMALL, tmp_path).prepare(0.35, interrupt)
    assert not list(tmp_path.iterdir())


def test_only_the_tours_used_last_are_kept(tmp_path: Path) -> None:
    tiny = dataclasses.replace(SMALL, scenes=1, views_per_scene=1, samples_per_pixel=1)
    foci_m = [0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    for focus_m in foci_m:
        tour = Tour(tiny, tmp_path)
        tour.prepare(focus_m)
        tour.prepare(foci_m[0])  # used again: stays
    kept = {path.name for path in tmp_path.iterdir()}
    assert len(kept) == 2 * 6
    names = {focus_m: f"tour-{Tour(tiny, tmp_path)._key(focus_m)}.depths.npy" for focus_m in foci_m}
    assert names[0.35] in kept and names[0.4] not in kept and names[0.9] in kept


def test_pictures_at_another_focus_are_rendered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tour = Tour(SMALL, tmp_path)
    tour.prepare(0.35)
    first = tour.frame(1, 0.5)
    monkeypatch.setattr("defocus_depth.simulation.tour.render_frame", None)
    assert tour.frame(2, 0.5)[0] is first[0]  # on the way back
    assert not np.array_equal(first[0], tour.frame(1, 0.35)[0])
    np.testing.assert_array_equal(first[1], tour.frame(1, 0.35)[1])


def test_breathing_magnifies_the_view_about_its_centre_and_not_the_blur(tmp_path: Path) -> None:
    tour = Tour(dataclasses.replace(SMALL, width_px=320), tmp_path)
    wide_m, magnified_m = tour.frame(0, 0.5)[1], tour.frame(0, 0.5, 3.0)[1]
    # one magnified pixel in three each way looks where a pixel of the wide view does: u' − cx = 3·(u − cx)
    np.testing.assert_allclose(magnified_m[1::3, 2::3], wide_m[80:160, 107:213], rtol=1e-6)
    magnified = breathing(tour.rig, 3.0)
    assert (magnified.camera.fx, magnified.camera.cx) == (3 * tour.rig.camera.fx, tour.rig.camera.cx)
    assert magnified.blur_gain_px_per_dpt(0.5) == tour.rig.blur_gain_px_per_dpt(0.5)


@pytest.mark.parametrize("name", RIGS)
def test_depth_lies_in_the_rigs_range_on_every_view(tmp_path: Path, name: str) -> None:
    options = TourOptions(rig=name, width_px=64, scenes=4, views_per_scene=7, samples_per_pixel=1)
    tour = Tour(options, tmp_path)
    for view in range(28):
        _, depth_m = tour.frame(view, 0.35)
        assert np.isfinite(depth_m).all()
        assert depth_m.min() >= RIGS[name].depth_min_m and depth_m.max() <= RIGS[name].depth_max_m


def test_the_path_swings_about_the_middle_in_small_steps() -> None:
    places = [path_pose(step, 13, ROBOT) for step in range(13)]
    np.testing.assert_allclose(places[6].rotation, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(path_pose(0, 1, ROBOT).rotation, np.eye(3), atol=1e-12)
    for pose in places:
        np.testing.assert_allclose(pose.rotation @ pose.rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(pose.rotation) == pytest.approx(1.0)
    steps_px = [
        ROBOT.camera.fx * abs(np.arctan2(*(b.rotation @ a.rotation.T)[0, [2, 0]]))
        for a, b in zip(places, places[1:], strict=False)
    ]
    assert 0 < max(steps_px) < 8 and min(steps_px) < 2


def test_pictures_go_out_and_back_scene_after_scene() -> None:
    options = TourOptions(scenes=2, views_per_scene=5)
    assert [options.place(index) for index in range(12)] == [0, 1, 2, 2, 1, 3, 4, 5, 5, 4, 0, 1]
