"""The scale's factors: found again where they are known, and refused without fits."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from defocus_depth.errors import ConfigError
from defocus_depth.optics import blur_gain_px_per_dpt, focus_dpt, to_linear
from defocus_depth.stacks import write_stack
from defocus_depth.types import CameraIntrinsics, FocalStack, Frame, ImageArray, LensParameters, Transfer
from defocus_training.networks import DefocusModel, ModelOptions
from defocus_training.scale_calibration import Factors, Reference, calibrate, references

GAIN, FOCUS = 8.0, 2.5
TRAINED = Factors(median=1.0, scale=1.0)
SIZE = 90, 128
NOTHING = np.zeros(SIZE, np.float32)
LENS = LensParameters(focal_length_m=0.008, f_number=1.4, pixel_pitch_m=6e-6, image_width_px=320)
Maps = tuple[np.ndarray, np.ndarray]


def model_of(**changes: float) -> DefocusModel:
    torch.manual_seed(0)
    return DefocusModel(dataclasses.replace(ModelOptions((8, 8, 8, 8), (8, 8, 8, 8)), **changes)).eval()


def made_reference(model: DefocusModel, factor: float) -> Reference:
    """Inverse depths drawn from the Laplace distribution whose scale is `factor` times the predicted one."""
    image = torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    location, scale = published(model, Reference(image, GAIN, FOCUS, FOCUS, NOTHING, NOTHING))
    noise = np.random.default_rng(0).laplace(size=location.shape)
    inverse_depth = np.abs(location + factor * scale * noise).astype(np.float32)
    return Reference(image, GAIN, FOCUS, FOCUS, inverse_depth, np.ones_like(inverse_depth))


def published(model: DefocusModel, reference: Reference, factors: Factors = TRAINED) -> Maps:
    """Inverse depth and its scale (dpt) as the exported graph gives them."""
    model.options = dataclasses.replace(model.options, median_factor=factors.median, scale_factor=factors.scale)
    lens = torch.tensor([[reference.gain_px_per_dpt, reference.focus_dpt, reference.nearest_dpt]])
    with torch.no_grad():
        output = model(reference.image, lens)
    height, width = reference.inverse_depth_dpt.shape
    return 1 / output.depth[0, 0, :height, :width].numpy(), output.inv_depth_scale[0, 0, :height, :width].numpy()


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.8])
def test_a_little_more_than_half_of_the_fits_lie_in_the_50_percent_intervals(factor: float) -> None:
    model = model_of()
    reference = made_reference(model, factor)
    inverse_depth, scale = published(model, reference, calibrate(model, [reference]))
    inside = np.abs(inverse_depth - reference.inverse_depth_dpt) < scale * np.log(2)
    assert np.mean(inside) == pytest.approx(0.6, abs=0.01)


def test_finds_the_factor_by_which_depth_leans() -> None:
    model = model_of()
    reference = made_reference(model, 0.0)
    inverse_depth, scale = published(model, reference, TRAINED._replace(median=1.5))
    kind = np.random.default_rng(0).random(scale.shape)  # most depths are those, others nearer or farther
    noise = np.select([kind < 0.22, kind < 0.44], [-1.0, 1.0], 0.0).astype(np.float32)
    leaning = dataclasses.replace(reference, inverse_depth_dpt=np.abs(inverse_depth + scale * noise))
    assert calibrate(model, [leaning]).median == pytest.approx(1.5, rel=0.04)


@pytest.mark.parametrize("other", [0.5, 0.8, 1.25, 2.0])
def test_no_other_factor_has_less_error(other: float) -> None:
    model = model_of()
    reference = made_reference(model, 0.6)
    best = calibrate(model, [reference])

    def error(factors: Factors) -> float:
        inverse_depth, _ = published(model, reference, factors)
        ratio = reference.inverse_depth_dpt / inverse_depth
        return float(np.mean(np.abs(np.log(ratio)) + np.abs(ratio - 1)))

    assert error(best) < error(best._replace(median=other * best.median))


def test_pixels_without_weight_do_not_count() -> None:
    model = model_of()
    reference = made_reference(model, 0.6)
    weight = np.ones_like(reference.weight)
    weight[:45] = 0
    spoilt = np.where(weight > 0, reference.inverse_depth_dpt, 50.0).astype(np.float32)
    upper = dataclasses.replace(reference, weight=weight)
    assert calibrate(model, [dataclasses.replace(upper, inverse_depth_dpt=spoilt)]) == calibrate(model, [upper])


def test_the_factor_scales_what_is_published() -> None:
    image, lens = torch.rand(1, 3, 64, 64), torch.tensor([[GAIN, FOCUS, FOCUS]])
    with torch.no_grad():
        plain, scaled = (model_of(scale_factor=factor)(image, lens) for factor in (1.0, 1.5))
    torch.testing.assert_close(scaled.inv_depth_scale, 1.5 * plain.inv_depth_scale)
    torch.testing.assert_close(scaled.depth, plain.depth)
    assert (scaled.confidence < plain.confidence).all()


def test_the_median_factor_brings_depth_nearer_and_leaves_the_scale() -> None:
    image, lens = torch.rand(1, 3, 64, 64), torch.tensor([[GAIN, FOCUS, FOCUS]])
    with torch.no_grad():
        plain, nearer = (model_of(median_factor=factor)(image, lens) for factor in (1.0, 1.5))
    torch.testing.assert_close(nearer.inv_depth_scale, plain.inv_depth_scale)
    assert (nearer.depth < plain.depth).all()


def test_refuses_a_folder_without_fits(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected fits of the stacks"):
        references(tmp_path, tmp_path)


@pytest.mark.parametrize("factor", [0.05, 30.0])
def test_factors_beyond_the_grid_are_refused(factor: float) -> None:
    model = model_of()
    with pytest.raises(ConfigError, match=r"expected fits that ask for factors between 0\.5 and 4, got median"):
        calibrate(model, [made_reference(model, factor)])


def textured(size: tuple[int, int]) -> ImageArray:
    noise = np.random.default_rng(2).random((*size, 3)).astype(np.float32)
    return (255 * cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), np.empty(0), 0, 1, cv2.NORM_MINMAX)).astype(
        np.uint8
    )


def write_pictures(folder: Path, images: list[ImageArray], transfer: Transfer = "srgb", **changed) -> None:
    """A stack whose only lens is `LENS`, whatever the pictures' size."""
    height, width = images[0].shape[:2]
    frames = tuple(Frame(f"{index}.png", focus_m) for index, focus_m in enumerate((0.35, 1.0)))
    camera = CameraIntrinsics(width, height, width, width, 0, 0)
    stack = FocalStack(folder, frames, LENS, camera, transfer)
    write_stack(folder, dataclasses.replace(stack, **changed), images)


def write_maps(folder: Path, inverse_depth: np.ndarray, weight: np.ndarray) -> None:
    folder.mkdir(parents=True)
    np.save(folder / "depth.npy", 1 / inverse_depth)
    np.save(folder / "confidence.npy", weight)


def enlarged(values: np.ndarray) -> np.ndarray:
    return values.repeat(2, 0).repeat(2, 1)


def test_factors_do_not_depend_on_the_pictures_size_or_encoding(tmp_path: Path) -> None:
    model, image = model_of(), textured((240, 320))
    linear = np.rint(to_linear(image / 255, "srgb") * 65535).astype(np.uint16)
    write_pictures(tmp_path / "stacks/plain/one", [image] * 2)
    write_pictures(tmp_path / "stacks/large/one", [enlarged(image)] * 2)
    write_pictures(tmp_path / "stacks/linear/one", [linear] * 2, "linear")
    flat = np.ones((240, 320), np.float32)
    write_maps(tmp_path / "fits/unknown/one", flat, flat)
    (seen,) = references(tmp_path / "stacks/plain", tmp_path / "fits/unknown")
    location, scale = published(model, seen)
    inverse_depth = np.abs(location + 1.3 * scale * np.random.default_rng(0).laplace(size=scale.shape)).astype("f4")
    for name, change in (("plain", np.asarray), ("linear", np.asarray), ("large", enlarged)):
        write_maps(tmp_path / "fits" / name / "one", change(inverse_depth), change(flat))
    plain, large, encoded = (
        calibrate(model, references(tmp_path / "stacks" / name, tmp_path / "fits" / name))
        for name in ("plain", "large", "linear")
    )
    np.testing.assert_allclose(large, plain, rtol=1e-3)
    np.testing.assert_allclose(encoded, plain, rtol=1e-2)


def test_at_their_own_working_size_pictures_are_taken_as_they_are(tmp_path: Path) -> None:
    """320 px is what the reference lens works at, and what the released model was calibrated at."""
    image, depth = textured((240, 320)), np.random.default_rng(0).random((240, 320)).astype(np.float32)
    write_pictures(tmp_path / "stacks/one", [image] * 2)
    write_maps(tmp_path / "fits/one", depth, depth)
    (seen,) = references(tmp_path / "stacks", tmp_path / "fits")
    np.testing.assert_allclose(seen.image[0, :, :240].numpy(), image.transpose(2, 0, 1) / np.float32(255), rtol=1e-6)
    focus = focus_dpt(0.35, LENS)
    expected = blur_gain_px_per_dpt(LENS, focus, 320), focus, 1 / 0.35
    np.testing.assert_allclose((seen.gain_px_per_dpt, seen.focus_dpt, seen.nearest_dpt), expected, rtol=1e-6)
    np.testing.assert_allclose(seen.inverse_depth_dpt, depth, rtol=1e-6)
    np.testing.assert_array_equal(seen.weight, depth)


def test_the_nearest_frame_is_brought_into_the_pixels_of_the_fit(tmp_path: Path) -> None:
    image, flat = textured((240, 320)), np.ones((240, 320), np.float32)
    frames = Frame("0.png", 0.35, to_reference=((1.0, 0.0, 5.0), (0.0, 1.0, 0.0))), Frame("1.png", 1.0)
    write_pictures(tmp_path / "stacks/one", [image, image], frames=frames, reference_frame=1)
    write_maps(tmp_path / "fits/one", flat, flat)
    (seen,) = references(tmp_path / "stacks", tmp_path / "fits")
    moved = image[:, :-5].transpose(2, 0, 1) / np.float32(255)
    np.testing.assert_allclose(seen.image[0, :, :240, 5:].numpy(), moved, rtol=1e-6)


def test_a_fit_of_other_pictures_is_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "stacks/one", [textured((240, 320))] * 2)
    write_maps(tmp_path / "fits/one", *np.ones((2, 120, 160), np.float32))
    with pytest.raises(ConfigError, match=r"expected depth of its stack's shape \(240, 320\), got \(120, 160\)"):
        list(references(tmp_path / "stacks", tmp_path / "fits"))
