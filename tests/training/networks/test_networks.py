"""Networks: budget, invariances of the front end, ranges of outputs, the identity of coc and depth."""

import math

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from defocus_training.networks import DefocusModel, ModelOptions
from defocus_training.networks.depthnet import COC_TOLERANCE_PX, _side
from defocus_training.networks.features import FEATURES, DefocusFeatures
from defocus_training.networks.model import NEAR_EMPHASIS, relative_median, within_ratio

TINY = ModelOptions((8, 8, 8, 8), (8, 8, 8, 8))


def test_budget_of_five_gflop_at_vga_and_twelve_megabytes() -> None:
    model = DefocusModel().eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.rand(1, 3, 480, 640), torch.tensor([[15.6, 2.857, 2.857]]))
    assert counter.get_total_flops() <= 5.0e9  # multiplications and additions counted apart
    assert sum(p.numel() for p in model.parameters()) * 4 <= 12e6


def test_features_ignore_contrast_and_brightness() -> None:
    image = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    features = DefocusFeatures()(image)
    faint = DefocusFeatures()(0.3 + 0.4 * image)
    assert features.shape == (1, FEATURES, 24, 24)
    blur_cues = (slice(None), slice(22), slice(0, 20), slice(0, 20))  # of the rest, contrast and colour must change
    torch.testing.assert_close(features[blur_cues], faint[blur_cues], atol=0.02, rtol=0.02)


def test_band_energies_fall_with_blur() -> None:
    image = torch.rand(1, 3, 64, 64)
    blurred = torch.nn.functional.avg_pool2d(image, 5, 1, 2)
    fine = slice(16, 18)
    assert (DefocusFeatures()(blurred)[:, fine] < DefocusFeatures()(image)[:, fine]).all()


def test_features_are_finite_on_a_flat_black_image() -> None:
    assert DefocusFeatures()(torch.zeros(1, 3, 32, 32)).isfinite().all()


def test_outputs_have_the_images_size_and_keep_the_optics_identity() -> None:
    torch.manual_seed(0)
    model = DefocusModel(TINY).eval()
    lens = torch.tensor([[7.8, 2.857, 2.857], [15.0, 0.0, 2.0]])
    output = model(torch.rand(2, 3, 64, 96), lens)
    for values in output:
        assert values.shape == (2, 1, 64, 96) and values.isfinite().all()
    gain, focus = lens[:, 0].view(2, 1, 1, 1), lens[:, 1].view(2, 1, 1, 1)
    torch.testing.assert_close(output.coc, gain * (focus - 1 / output.depth), atol=1e-4, rtol=1e-4)
    assert (output.depth > 0).all() and (output.defocus >= 0).all() and (output.inv_depth_scale > 0).all()
    assert (output.confidence >= 0).all() and (output.confidence <= 1).all()


def test_sdnet_does_not_know_the_lens() -> None:
    model = DefocusModel(TINY).eval()
    image = torch.rand(1, 3, 64, 64)
    one, other = (model(image, torch.tensor([[gain, 2.0, 2.0]])).defocus for gain in (3.0, 9.0))
    assert torch.equal(one, other)


def test_depth_follows_the_lens_scale_exactly() -> None:
    """Blur knows only G·F and G/d: twice the gain at half the focus is the same picture at half the inverse depth."""
    model = DefocusModel(TINY).eval()
    image = torch.rand(1, 3, 64, 64)
    near, far = (model(image, torch.tensor([lens])) for lens in ([8.0, 2.0, 3.0], [16.0, 1.0, 1.5]))
    torch.testing.assert_close(far.depth, 2 * near.depth)
    torch.testing.assert_close(far.confidence, near.confidence)


def test_depth_depends_on_what_is_known_of_the_nearest_depth_up_to_where_blur_can_tell() -> None:
    torch.manual_seed(3)
    model, image = DefocusModel(TINY).eval(), torch.rand(1, 3, 64, 64)
    rig, unknown, farther_still = (
        model(image, torch.tensor([[10.0, 2.0, nearest]])).depth for nearest in (2.0, 6.0, 20.0)
    )
    assert not torch.allclose(rig, unknown)
    assert torch.equal(unknown, farther_still)


def test_confidence_is_the_probability_under_the_truncated_laplace() -> None:
    rng = np.random.default_rng(0)
    for estimate, location, scale in ((2.0, 2.0, 0.1), (2.3, 2.0, 0.5), (0.7, 0.5, 0.4)):
        draws = rng.laplace(location, scale, 400_000)
        draws = draws[draws > 0]
        inside = np.mean((draws < 1.25 * estimate) & (draws > estimate / 1.25))
        value = float(within_ratio(torch.tensor(estimate), torch.tensor(location), torch.tensor(scale)))
        assert math.isclose(value, inside, abs_tol=4e-3)


def test_relative_median_has_less_relative_error_than_the_plain_one() -> None:
    rng = np.random.default_rng(1)
    for location, scale in ((2.0, 0.3), (2.0, 1.0), (1.0, 2.0)):
        weight = 1 - NEAR_EMPHASIS  # of v, what training has left to do
        draws = rng.laplace(location, scale, 400_000)
        draws = np.sort(draws[draws > 0])
        mass = np.cumsum(draws**weight)
        exact = draws[np.searchsorted(mass, mass[-1] / 2)]
        found = float(relative_median(torch.tensor(location), torch.tensor(scale)))
        assert abs(found - exact) < 0.25 * scale  # a closed form for every b/μ at once
        assert abs(found - exact) < abs(location - exact)


def test_the_near_side_counts_as_far_as_the_nearest_depth_leaves_it_room() -> None:
    seen = torch.tensor([-1.0, 0.2, 1.0]).view(1, 1, 1, 3)
    for room_px, expected in ((3.0, [-1.0, 0.2, 1.0]), (-COC_TOLERANCE_PX / 2, [0.0, 0.6, 1.0]), (-9.0, [1.0] * 3)):
        found = _side(seen, torch.full_like(seen, room_px))
        torch.testing.assert_close(found.flatten(), torch.tensor(expected))
