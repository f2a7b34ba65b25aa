"""Looks in several sizes: px of one are px of the other, and disagreement is not certainty."""

from pathlib import Path

import numpy as np
import pytest
import torch

from defocus_depth.errors import ConfigError
from defocus_training.export import ModelCard, export_model
from defocus_training.networks import DefocusModel, ModelOptions
from defocus_training.networks.looks import Measured, as_in_full_size, fuse, smaller

TWO = ModelOptions((8, 8, 8, 8), (8, 8, 8, 8), looks=(1.0, 0.75))


def measured(location_px: float, scale_px: float) -> Measured:
    return Measured(torch.full((1, 1, 4, 4), location_px), torch.full((1, 1, 4, 4), scale_px))


def test_fused_by_inverse_square_of_the_scales() -> None:
    fused = fuse([measured(4.0, 1.0), measured(9.0, 2.0)])
    torch.testing.assert_close(fused.location_px, torch.full((1, 1, 4, 4), 5.0))
    torch.testing.assert_close(fused.scale_px, torch.full((1, 1, 4, 4), 0.8 * (1 + 1) + 0.2 * (2 + 4)))


def test_looks_that_agree_are_as_sure_as_one() -> None:
    fused = fuse([measured(4.0, 1.5), measured(4.0, 1.5)])
    torch.testing.assert_close(fused, measured(4.0, 1.5))


def test_a_smaller_pictures_px_are_larger_and_lie_where_they_were() -> None:
    columns = torch.arange(32.0).expand(1, 1, 32, 32)
    small = Measured(*(0.75 * values for values in (smaller(columns, 0.75), smaller(columns + 1, 0.75))))
    back = as_in_full_size(small, 0.75, (32, 32))
    torch.testing.assert_close(back.location_px[..., 2:-2], columns[..., 2:-2], atol=1e-4, rtol=0)


@pytest.fixture(scope="module")
def model() -> DefocusModel:
    torch.manual_seed(2)
    return DefocusModel(TWO).eval()


@pytest.fixture(scope="module")
def graph(model: DefocusModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("looks") / "two.onnx"
    export_model(model, path, ModelCard("self", "nothing", {}))
    return path


@pytest.mark.parametrize("size", [(64, 96), (96, 160), (256, 320)])
def test_the_exported_graph_takes_sizes_whose_halves_are_odd(
    size: tuple[int, int], model: DefocusModel, graph: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(graph))
    image = np.random.default_rng(0).random((1, 3, *size), np.float32)
    lens = np.array([[7.8, 2.857, 2.857]], np.float32)
    with torch.no_grad():
        expected = model(torch.from_numpy(image), torch.from_numpy(lens))
    for got, wanted in zip(session.run(None, {"image": image, "lens": lens}), expected, strict=True):
        assert got.shape == (1, 1, *size)
        np.testing.assert_allclose(got, wanted.numpy(), atol=2e-4, rtol=1e-3)


def test_the_second_look_changes_what_is_published() -> None:
    torch.manual_seed(2)
    model = DefocusModel(TWO).eval()
    image, lens = torch.rand(1, 3, 64, 96), torch.tensor([[7.8, 2.857, 2.857]])
    with torch.no_grad():
        both = model(image, lens)
        model.options = ModelOptions(TWO.sdnet_widths, TWO.depthnet_widths)
        one = model(image, lens)
    assert (both.depth - one.depth).abs().max() > 1e-4


@pytest.mark.parametrize("ratios", [(), (1.0, 0.8), (0.25,), (1.25,)])
def test_refuses_sizes_that_the_networks_cannot_take(ratios: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="expected multiples of 1/8 from 0.5 to 1, got"):
        ModelOptions(looks=ratios)
