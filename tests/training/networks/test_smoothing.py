"""Smoothing spreads what is sure over what looks alike, and stops where colours end."""

from pathlib import Path

import numpy as np
import pytest
import torch

from defocus_depth.errors import ConfigError
from defocus_training.export import ModelCard, export_model
from defocus_training.networks import DefocusModel, ModelOptions
from defocus_training.networks.looks import Measured
from defocus_training.networks.smoothing import log_colours, smoothed

PASSES = (8, 4, 2, 1)


def one_smoothed(measured: Measured, colours: torch.Tensor, distances: tuple[int, ...]) -> Measured:
    (one,) = smoothed([measured], colours, distances)
    return one


def random_scene(height: int, width: int) -> tuple[list[Measured], torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    planes = torch.rand(4, 1, 1, height, width, generator=generator)
    colours = log_colours(torch.rand(1, 3, 4 * height, 4 * width, generator=generator))
    return [Measured(10 * planes[k], 0.1 + planes[k + 1]) for k in (0, 2)], colours


def plain_pass(u: np.ndarray, b: np.ndarray, colours: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray]:
    """One pass over single-channel maps, place by place."""
    means, widths = np.empty_like(u), np.empty_like(b)
    height, width = u.shape
    for y, x in np.ndindex(height, width):
        places, weights = [(y, x)], [0.25 / b[y, x]]
        for i, j in ((y - distance, x), (y + distance, x), (y, x - distance), (y, x + distance)):
            if 0 <= i < height and 0 <= j < width:
                away = np.linalg.norm(colours[:, i, j] - colours[:, y, x])
                places.append((i, j))
                apart = abs(u[i, j] - u[y, x]) / (0.3 * (b[i, j] + b[y, x]))
                weights.append(np.exp(-10 * away - apart) / np.sqrt(distance) / b[i, j])
        of_place = [np.array([plane[place] for place in places]) for plane in (u, b)]
        means[y, x] = np.average(of_place[0], weights=weights)
        widths[y, x] = np.average(of_place[1] + 0.5 * abs(of_place[0] - means[y, x]), weights=weights)
    return means, widths


@pytest.mark.parametrize("size", [(12, 17), (5, 6)])  # in the smaller one most passes find nobody
def test_is_what_the_plain_loop_computes(size: tuple[int, int]) -> None:
    quantities, colours = random_scene(*size)
    for given, got in zip(quantities, smoothed(quantities, colours, PASSES), strict=True):
        u, b = (plane[0, 0].double().numpy() for plane in given)
        for distance in PASSES:
            u, b = plain_pass(u, b, colours[0].double().numpy(), distance)
        np.testing.assert_allclose(got.location_px[0, 0], u, rtol=1e-4)
        np.testing.assert_allclose(got.scale_px[0, 0], b, rtol=1e-4)


def test_what_agrees_stays_as_it_is_up_to_the_border() -> None:
    _, colours = random_scene(12, 16)
    same = Measured(torch.full((1, 1, 12, 16), 7.0), torch.full((1, 1, 12, 16), 0.6))
    torch.testing.assert_close(one_smoothed(same, colours, PASSES), same)


def test_surfaces_of_two_colours_keep_their_depths() -> None:
    left = torch.arange(16) < 8
    image = torch.where(left, 0.2, 0.8).repeat_interleave(4).expand(1, 3, 48, 64)
    location = torch.where(left, 5.0, 9.0).expand(1, 1, 12, 16)
    measured = Measured(location, torch.full_like(location, 5.0))
    got = one_smoothed(measured, log_colours(image), PASSES).location_px
    torch.testing.assert_close(got, location, atol=1e-3, rtol=0)
    mixed = one_smoothed(measured, log_colours(torch.full_like(image, 0.5)), PASSES).location_px
    assert (mixed - location).abs().max() > 1


def test_the_sure_place_tells_the_unsure_ones_around_it() -> None:
    location, scale = torch.full((1, 1, 9, 9), 4.0), torch.full((1, 1, 9, 9), 20.0)
    location[..., 4, 4], scale[..., 4, 4] = 8.0, 0.05
    got = one_smoothed(Measured(location, scale), torch.zeros(1, 3, 9, 9), (1,))
    assert got.location_px[0, 0, 4, 5] > 7.8 and got.location_px[0, 0, 4, 4] > 7.8
    assert got.location_px[0, 0, 4, 6] == 4.0  # two cells away
    assert got.scale_px[0, 0, 4, 5] < 1.0


def test_sure_places_that_disagree_keep_to_themselves() -> None:
    location = torch.where(torch.arange(8) % 2 == 0, 4.0, 6.0).expand(1, 1, 8, 8)
    sure = Measured(location, torch.full_like(location, 0.1))
    torch.testing.assert_close(one_smoothed(sure, torch.zeros(1, 3, 8, 8), PASSES), sure)


def test_disagreement_is_doubt() -> None:
    location = torch.where(torch.arange(8) % 2 == 0, 4.0, 6.0).expand(1, 1, 8, 8)
    got = one_smoothed(Measured(location, torch.full_like(location, 2.0)), torch.zeros(1, 3, 8, 8), (1,))
    assert got.scale_px.min() > 2.1


@pytest.mark.parametrize("distances", [(0,), (4, -1), (17,)])
def test_refuses_distances_that_no_pass_can_have(distances: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="smoothing: expected distances of 1 to 16 cells, got"):
        ModelOptions(smoothing=distances)


def test_the_exported_graph_smooths_too(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    torch.manual_seed(2)
    model = DefocusModel(ModelOptions((8, 8, 8, 8), (8, 8, 8, 8), smoothing=(16, *PASSES))).eval()
    export_model(model, tmp_path / "smooth.onnx", ModelCard("self", "nothing", {}))
    session = onnxruntime.InferenceSession(str(tmp_path / "smooth.onnx"))
    lens = np.array([[7.8, 2.857, 2.857]], np.float32)
    for size in ((64, 64), (96, 160)):
        image = np.random.default_rng(0).random((1, 3, *size), np.float32)
        with torch.no_grad():
            expected = model(torch.from_numpy(image), torch.from_numpy(lens))
        for got, wanted in zip(session.run(None, {"image": image, "lens": lens}), expected, strict=True):
            np.testing.assert_allclose(got, wanted.numpy(), atol=2e-4, rtol=1e-3)


def test_both_networks_maps_are_smoothed() -> None:
    torch.manual_seed(2)
    model = DefocusModel(ModelOptions((8, 8, 8, 8), (8, 8, 8, 8), smoothing=PASSES)).eval()
    image, lens = torch.rand(1, 3, 64, 96), torch.tensor([[7.8, 2.857, 2.857]])
    with torch.no_grad():
        smooth = model(image, lens)
        model.options = ModelOptions((8, 8, 8, 8), (8, 8, 8, 8))
        rough = model(image, lens)
    for name in ("depth", "defocus", "inv_depth_scale"):
        assert (getattr(smooth, name) - getattr(rough, name)).abs().max() > 1e-3
