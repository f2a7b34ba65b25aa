"""What a pair's flags do to the loss."""

import torch

from defocus_training.data.crops import Pair
from defocus_training.networks import DefocusModel, ModelOptions
from defocus_training.train.config import LossWeights
from defocus_training.train.step import pair_losses


def depth_loss(outside: list[float], standing: float, **weights: float) -> float:
    """DepthNet's term of a pair whose second frame only is far off its target."""
    torch.manual_seed(0)
    model = DefocusModel(ModelOptions((8, 8, 8, 8), (8, 8, 8, 8))).eval()
    focus, target = torch.tensor([[20.0, 60.0]]), torch.full((1, 1, 16, 16), 18.0)
    flags = torch.tensor([outside]), torch.tensor([standing])
    pair = Pair(torch.rand(1, 2, 3, 64, 64), focus, target, torch.ones_like(target), *flags)
    with torch.no_grad():
        return float(pair_losses(model, pair, LossWeights.model_validate(weights))["depthnet"])


def test_frames_focused_inside_the_scene_weigh_by_what_shows_the_sign_of_their_blur() -> None:
    both = depth_loss([1, 1], 0.0)
    first_only = depth_loss([1, 0], 0.0, inside_share=0)
    assert first_only < depth_loss([1, 0], 0.0, inside_share=0.3) < both
    assert depth_loss([1, 0], 1.0, inside_share=0, standing_share=1) == both
    assert depth_loss([1, 0], 1.0, inside_share=1, standing_share=0) == first_only
