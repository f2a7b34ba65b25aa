"""What a pair's flags do to the loss."""

import torch

from defocus_training.data.crops import Pair
from defocus_training.networks import DefocusModel, ModelOptions
from defocus_training.train.config import LossWeights
from defocus_training.train.step import pair_losses


def depth_loss(sign_shown: list[float], inside_share: float) -> float:
    """DepthNet's term of a pair whose second frame only is far off its target."""
    torch.manual_seed(0)
    model = DefocusModel(ModelOptions((8, 8, 8, 8), (8, 8, 8, 8))).eval()
    image = torch.rand(1, 2, 3, 64, 64)
    focus = torch.tensor([[20.0, 60.0]])
    target = torch.full((1, 1, 16, 16), 18.0)
    shown = torch.tensor([sign_shown])
    pair = Pair(image, focus, target, torch.ones_like(target), torch.zeros(1, 2), shown)
    with torch.no_grad():
        return float(pair_losses(model, pair, LossWeights(inside_share=inside_share))["depthnet"])


def test_frames_whose_sign_nothing_shows_weigh_less_for_depth() -> None:
    both, first_only = depth_loss([1, 1], 0.0), depth_loss([1, 0], 0.0)
    assert first_only < both  # the frame that is far off does not count
    between = depth_loss([1, 0], 0.3)
    assert first_only < between < both
    assert depth_loss([0, 0], 1.0) == both
