"""Losses against closed forms and finite differences."""

import numpy as np
import torch
from scipy import stats

from defocus_training.losses import (
    Uncertain,
    defocus_loss,
    edge_aware_smoothness,
    extra_blur,
    laplace_nll,
    photometric_error,
)


def known(values: torch.Tensor) -> Uncertain:
    return Uncertain(values, torch.zeros_like(values))


def test_likelihood_of_an_uncertain_value_is_its_expectation() -> None:
    draws = torch.from_numpy(np.random.default_rng(0).laplace(3.0, 0.7, 400_000)).float()
    for location in (3.0, 3.4, 6.0):
        sampled = laplace_nll(known(draws), torch.tensor(location), torch.tensor(0.5), torch.ones(400_000))
        value = Uncertain(torch.tensor([3.0]), torch.tensor([0.7]))
        expected = laplace_nll(value, torch.tensor([location]), torch.tensor([0.5]), torch.ones(1))
        assert abs(float(expected - sampled)) < 0.01


def test_who_agrees_with_an_unsure_teacher_is_as_unsure() -> None:
    """Where the location is the teacher's, the best scale is the teacher's own."""
    value, scales = Uncertain(torch.full((1,), 5.0), torch.full((1,), 0.8)), np.geomspace(0.2, 3, 200)
    losses = [float(laplace_nll(value, value.location, torch.tensor([s]), torch.ones(1))) for s in scales]
    assert abs(scales[int(np.argmin(losses))] - 0.8) < 0.02


def test_an_unsure_value_pulls_the_location_as_a_known_one_does() -> None:
    pulls = []
    for spread in (0.0, 0.8):
        location, value = (
            torch.tensor([3.0], requires_grad=True),
            Uncertain(torch.tensor([5.0]), torch.tensor([spread])),
        )
        laplace_nll(value, location, torch.ones(1), torch.ones(1)).backward()
        assert location.grad is not None
        pulls.append(location.grad)
    assert torch.equal(*pulls) and float(pulls[0]) < 0


def test_laplace_nll_is_the_negative_log_density() -> None:
    rng = np.random.default_rng(0)
    value, location, scale = rng.normal(0, 2, (3, 50))
    scale = np.abs(scale) + 0.1
    expected = -stats.laplace.logpdf(value, location, scale).mean()
    got = laplace_nll(known(torch.tensor(value)), torch.tensor(location), torch.tensor(scale), torch.ones(50))
    assert np.isclose(float(got), expected)


def test_laplace_nll_leaves_out_pixels_of_no_weight() -> None:
    values = torch.tensor([1.0, 100.0])
    weight = torch.tensor([1.0, 0.0])
    with_outlier = laplace_nll(known(values), torch.zeros(2), torch.ones(2), weight)
    assert torch.isclose(with_outlier, laplace_nll(known(values[:1]), torch.zeros(1), torch.ones(1), torch.ones(1)))
    assert float(laplace_nll(known(values), torch.zeros(2), torch.ones(2), torch.zeros(2))) == 0.0


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


def test_extra_blur_adds_variances_and_never_goes_below_what_is_there() -> None:
    wanted, present = torch.tensor([5.0, 3.0, 1.0]), torch.tensor([3.0, 0.0, 2.0])
    torch.testing.assert_close(extra_blur(wanted, present), torch.tensor([4.0, 3.0, 0.01]))


def test_photometric_error_is_scaled_by_contrast_and_looks_only_at_covered_pixels() -> None:
    rng = torch.Generator().manual_seed(0)
    frames = torch.rand(1, 2, 3, 32, 32, generator=rng)
    everywhere = torch.ones(1, 2, 32, 32)
    assert float(photometric_error(frames, frames, everywhere)) == 0.0
    strong = photometric_error(frames + 0.1, frames, everywhere)
    weak = photometric_error(0.2 * frames + 0.02, 0.2 * frames, everywhere)
    assert 0.6 < float(weak / strong) <= 1.0  # a tenth of the contrast off, in both; the floor damps the faint one
    left = everywhere.clone()
    left[..., 16:] = 0
    wrong_right = frames.clone()
    wrong_right[..., 16:] += 1
    assert float(photometric_error(wrong_right, frames, left)) == 0.0


def test_smoothness_charges_steps_inside_surfaces_not_at_edges() -> None:
    step = torch.zeros(1, 1, 16, 16)
    step[..., 8:] = 1
    flat = torch.full((1, 3, 64, 64), 0.5)
    edge = flat.clone()
    edge[..., 32:] = 1
    assert float(edge_aware_smoothness(step, edge)) < 0.01 * float(edge_aware_smoothness(step, flat))
    assert float(edge_aware_smoothness(flat[:, :1], edge)) == 0.0
