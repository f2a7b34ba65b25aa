"""The scale's factor: found again where it is known, and refused without fits."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from defocus_depth.errors import ConfigError
from defocus_training.networks import DefocusModel, ModelOptions
from defocus_training.networks.model import relative_median, upsample
from defocus_training.scale_calibration import Reference, references, scale_factor

GAIN, FOCUS = 8.0, 2.5


def model_of(**changes: float) -> DefocusModel:
    torch.manual_seed(0)
    return DefocusModel(dataclasses.replace(ModelOptions((8, 8, 8, 8), (8, 8, 8, 8)), **changes)).eval()


def made_reference(model: DefocusModel, factor: float) -> Reference:
    """Inverse depths drawn from the Laplace distribution whose scale is `factor` times the predicted one."""
    image = torch.rand(1, 3, 90, 128, generator=torch.Generator().manual_seed(1))
    padded = torch.nn.functional.pad(image, (0, 0, 0, 6), mode="reflect")
    with torch.no_grad():
        _, inverse = model.estimate_px(padded, torch.tensor([[GAIN * FOCUS]]))
    location, scale = (upsample(plane)[0, 0, :90] / GAIN for plane in inverse)
    centre = relative_median(location, factor * scale).numpy()
    noise = np.random.default_rng(0).laplace(size=centre.shape)
    inverse_depth = (centre + factor * scale.numpy() * noise).astype(np.float32)
    return Reference(image, GAIN, FOCUS, inverse_depth, np.ones_like(inverse_depth))


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.8])
def test_finds_the_factor_that_errors_were_drawn_with(factor: float) -> None:
    model = model_of()
    assert scale_factor(model, [made_reference(model, factor)]) == pytest.approx(factor, rel=0.04)


def test_pixels_without_weight_do_not_count() -> None:
    model = model_of()
    reference = made_reference(model, 1.5)
    spoilt = reference.inverse_depth_dpt.copy()
    spoilt[:45] = 50.0
    weight = np.ones_like(spoilt)
    weight[:45] = 0
    half = dataclasses.replace(reference, inverse_depth_dpt=spoilt, weight=weight)
    assert scale_factor(model, [half]) == pytest.approx(1.5, rel=0.05)


def test_the_factor_scales_what_is_published() -> None:
    image, lens = torch.rand(1, 3, 64, 64), torch.tensor([[GAIN, FOCUS]])
    with torch.no_grad():
        plain, scaled = (model_of(scale_factor=factor)(image, lens) for factor in (1.0, 1.5))
    torch.testing.assert_close(scaled.inv_depth_scale, 1.5 * plain.inv_depth_scale)
    assert (scaled.confidence < plain.confidence).all()


def test_refuses_a_folder_without_fits(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected fits of the stacks"):
        references(tmp_path, tmp_path)
