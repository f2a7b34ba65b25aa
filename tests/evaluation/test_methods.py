from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from defocus_depth.errors import ConfigError
from defocus_depth.evaluation.dataset import StackSamples
from defocus_depth.evaluation.methods import (
    constant_method,
    depth_from_focus_method,
    fused_method,
    network_method,
    zhuo_sim_method,
)


def test_constant_is_the_median_of_the_whole_data_set(tmp_path: Path, write_plane) -> None:
    for name, depth_m in (("a", 0.5), ("b", 0.9), ("c", 2.0)):
        write_plane(tmp_path / name, depth_m)
    samples = StackSamples(tmp_path)
    predict = constant_method(samples.truths_m())
    for sample in samples:
        prediction = predict(sample)
        assert (prediction.maps.depth_m == np.float32(0.9)).all() and prediction.confidence is None
        np.testing.assert_allclose(prediction.maps.coc_px, 8 * (1 / 0.4 - 1 / 0.9), rtol=1e-5)


def test_network_gets_image_lens_focus_and_transfer(tmp_path: Path, write_plane, fake_estimator) -> None:
    write_plane(tmp_path / "a", 0.8, transfer="gamma")
    estimator = fake_estimator(1.5)
    (sample,) = StackSamples(tmp_path, "2")
    prediction = network_method(estimator)(sample)
    ((image, *asked),) = estimator.asked
    assert image is sample.image and asked == [sample.lens, 1.2, "gamma"]
    assert (prediction.maps.depth_m == 1.5).all() and prediction.confidence is not None
    np.testing.assert_allclose(prediction.maps.coc_px, 8 * (1 / 1.2 - 1 / 1.5), rtol=1e-5)


def test_fused_asks_for_every_frame_at_its_focus(tmp_path: Path, write_plane, fake_estimator) -> None:
    write_plane(tmp_path / "a", 0.8)
    estimator = fake_estimator(1.5)
    (sample,) = StackSamples(tmp_path, "fused")
    prediction = fused_method(estimator)(sample)
    assert [focus_m for _, _, focus_m, _ in estimator.asked] == [0.4, 0.7, 1.2, 2.4]
    assert estimator.told_near_m == [0.4] * 4
    assert prediction.confidence is not None and prediction.inv_depth_scale_dpt is not None
    np.testing.assert_allclose(prediction.maps.coc_px, 8 * (1 / 0.4 - 1 / prediction.maps.depth_m), rtol=1e-4)
    with pytest.raises(ConfigError, match="frames fused: expected a frame of a focal stack, got a/000"):
        fused_method(estimator)(dataclasses.replace(sample, origin=None))


def test_every_frame_of_a_stack_is_told_its_nearest_focus(tmp_path: Path, write_plane, fake_estimator) -> None:
    write_plane(tmp_path / "a", 0.8)
    estimator = fake_estimator(1.5)
    for sample in StackSamples(tmp_path, "all"):
        network_method(estimator)(sample)
    assert estimator.told_near_m == [0.4] * 4


def test_fused_counts_every_view_once(tmp_path: Path, write_plane, fake_estimator) -> None:
    """A capture's repeat of its first frame, and a second frame at nearly the focus of another, tell nothing new."""
    plain = write_plane(tmp_path / "plain", 0.8).frames
    again = dataclasses.replace(plain[0], file="r.png", focus_distance_m=0.41, repeat_of=0)
    nearly = dataclasses.replace(plain[2], file="n.png", focus_distance_m=plain[2].focus_distance_m * 1.003)
    frames = (plain[0], again, plain[1], plain[2], nearly, plain[3])
    write_plane(tmp_path / "captured", 0.8, [frame.focus_distance_m for frame in frames], frames=frames)
    asked, found = {}, {}
    for name in ("plain", "captured"):
        estimator = fake_estimator(1.5)
        (sample,) = StackSamples(tmp_path / name, "fused")
        found[name] = fused_method(estimator)(sample)
        asked[name] = [focus_m for _, _, focus_m, _ in estimator.asked]
    assert asked["captured"] == asked["plain"] == [0.4, 0.7, 1.2, 2.4]
    np.testing.assert_array_equal(found["captured"].confidence, found["plain"].confidence)


def test_fusion_of_a_single_frame_changes_nothing(tmp_path: Path, write_plane, fake_estimator) -> None:
    write_plane(tmp_path / "a", 0.8, foci_m=[0.4])
    (sample,) = StackSamples(tmp_path / "a", "fused")
    alone, fused = (method(fake_estimator(1.5))(sample) for method in (network_method, fused_method))
    np.testing.assert_array_equal(fused.maps.depth_m, alone.maps.depth_m)
    np.testing.assert_array_equal(fused.confidence, alone.confidence)


@pytest.mark.parametrize("depth_m", [0.7, 1.2])
def test_depth_from_focus_looks_at_the_whole_stack(tmp_path: Path, write_plane, depth_m: float) -> None:
    write_plane(tmp_path / "a", depth_m)
    (sample,) = StackSamples(tmp_path)
    found_m = depth_from_focus_method()(sample).maps.depth_m
    assert np.median(1 / found_m) == pytest.approx(1 / depth_m, abs=0.2)


def test_depth_from_focus_registers_the_frames(tmp_path: Path, write_plane) -> None:
    """A stack whose later frames lie 9 px to the left gives the depth of the still one, in the first frame's pixels."""
    frames = write_plane(tmp_path / "still", 0.8).frames
    affine = ((1.0, 0.0, 9.0), (0.0, 1.0, 0.0))
    moved = (frames[0], *(dataclasses.replace(frame, to_reference=affine) for frame in frames[1:]))
    for frame in write_plane(tmp_path / "moved", 0.8, frames=moved).frames[1:]:
        file = str(tmp_path / "moved" / frame.file)
        image = cv2.imread(file, cv2.IMREAD_UNCHANGED)
        assert image is not None
        cv2.imwrite(file, np.roll(image, -9, axis=1))
    predict = depth_from_focus_method()
    still, registered = (predict(next(iter(StackSamples(tmp_path / name)))) for name in ("still", "moved"))
    inner = (slice(None), slice(24, -24))
    np.testing.assert_allclose(registered.maps.depth_m[inner], still.maps.depth_m[inner], rtol=1e-5)


def test_depth_from_focus_refuses_single_images(tmp_path: Path, write_plane) -> None:
    write_plane(tmp_path / "a", 0.8)
    (sample,) = StackSamples(tmp_path)
    with pytest.raises(ConfigError, match="dff_sml: expected a frame of a focal stack, got a/000"):
        depth_from_focus_method()(dataclasses.replace(sample, origin=None))


def test_edge_blur_uses_the_samples_lens(tmp_path: Path, write_plane) -> None:
    write_plane(tmp_path / "a", 0.8)
    (sample,) = StackSamples(tmp_path)
    wide = dataclasses.replace(sample, lens=dataclasses.replace(sample.lens, blur_gain_px_per_dpt=16.0))
    near, far = (np.median(zhuo_sim_method()(s).maps.depth_m) for s in (wide, sample))
    assert 0.4 <= near < far
