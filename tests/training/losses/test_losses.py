"""Losses against closed forms and finite differences."""

import numpy as np
import torch
from scipy import stats

from defocus_training.losses import defocus_loss, laplace_nll


def test_laplace_nll_is_the_negative_log_density() -> None:
    rng = np.random.default_rng(0)
    value, location, scale = rng.normal(0, 2, (3, 50))
    scale = np.abs(scale) + 0.1
    expected = -stats.laplace.logpdf(value, location, scale).mean()
    got = laplace_nll(*(torch.tensor(v) for v in (value, location, scale)), torch.ones(50, dtype=torch.float64))
    assert np.isclose(float(got), expected)


def test_laplace_nll_leaves_out_pixels_of_no_weight() -> None:
    values = torch.tensor([1.0, 100.0])
    weight = torch.tensor([1.0, 0.0])
    with_outlier = laplace_nll(values, torch.zeros(2), torch.ones(2), weight)
    assert torch.isclose(with_outlier, laplace_nll(values[:1], torch.zeros(1), torch.ones(1), torch.ones(1)))
    assert float(laplace_nll(values, torch.zeros(2), torch.ones(2), torch.zeros(2))) == 0.0


def test_defocus_loss_is_zero_for_one_depth_and_one_for_a_pixel_of_error() -> None:
    u = torch.tensor([3.0, 8.0, 15.0]).view(1, 1, 1, 3)
    focus = torch.tensor([[20.0, 9.0]])
    first, second = (focus[0, k] - u for k in (0, 1))
    near = torch.ones(1, 1, 1, 1)
    assert float(defocus_loss(first.abs(), second.abs(), focus, near)) < 1e-6
    assert np.isclose(float(defocus_loss(first.abs() + 1, second.abs(), focus, near)), 1.0)
    far_focus = torch.tensor([[1.0, 9.0]])
    assert float(defocus_loss((1.0 - u).abs(), second.abs(), far_focus, -near)) < 1e-6


def test_defocus_loss_ignores_frames_of_unknown_sign() -> None:
    coc = torch.rand(2, 1, 4, 4) * 9
    focus = torch.tensor([[20.0, 9.0], [12.0, 4.0]])
    known = defocus_loss(coc[:1], coc[1:], focus[:1], torch.ones(1, 1, 1, 1))
    both = defocus_loss(coc, coc.flip(0), focus, torch.tensor([1.0, 0.0]).view(2, 1, 1, 1))
    assert torch.isclose(known, both)
