"""The scale's factors: found again where they are known, and refused without fits."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from defocus_depth.errors import ConfigError
from defocus_training.networks import DefocusModel, ModelOptions
from defocus_training.scale_calibration import Factors, Reference, calibrate, references

GAIN, FOCUS = 8.0, 2.5
TRAINED = Factors(median=1.0, scale=1.0)
NOTHING = np.zeros((0, 0), np.float32)
Maps = tuple[np.ndarray, np.ndarray]


def model_of(**changes: float) -> DefocusModel:
    torch.manual_seed(0)
    return DefocusModel(dataclasses.replace(ModelOptions((8, 8, 8, 8), (8, 8, 8, 8)), **changes)).eval()


def made_reference(model: DefocusModel, factor: float) -> Reference:
    """Inverse depths drawn from the Laplace distribution whose scale is `factor` times the predicted one."""
    image = torch.rand(1, 3, 90, 128, generator=torch.Generator().manual_seed(1))
    location, scale = published(model, Reference(image, GAIN, FOCUS, FOCUS, NOTHING, NOTHING))
    noise = np.random.default_rng(0).laplace(size=location.shape)
    inverse_depth = np.abs(location + factor * scale * noise).astype(np.float32)
    return Reference(image, GAIN, FOCUS, FOCUS, inverse_depth, np.ones_like(inverse_depth))


def published(model: DefocusModel, reference: Reference, factors: Factors = TRAINED) -> Maps:
    """Inverse depth and its scale (dpt) as the exported graph gives them."""
    model.options = dataclasses.replace(model.options, median_factor=factors.median, scale_factor=factors.scale)
    padded = torch.nn.functional.pad(reference.image, (0, 0, 0, 6), mode="reflect")
    with torch.no_grad():
        output = model(padded, torch.tensor([[GAIN, FOCUS, FOCUS]]))
    return 1 / output.depth[0, 0, :90].numpy(), output.inv_depth_scale[0, 0, :90].numpy()


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
    inverse_depth, _ = published(model, reference, TRAINED._replace(median=1.5))
    leaning = dataclasses.replace(reference, inverse_depth_dpt=inverse_depth)
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
