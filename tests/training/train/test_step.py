"""What a pair's flags do to the loss."""

import torch

from defocus_training.data.crops import Pair
from defocus_training.networks import DefocusModel, ModelOptions
from defocus_training.train.config import LossWeights
from defocus_training.train.step import motion_doubt_px, pair_losses


def depth_loss(
    outside: list[float],
    standing: float,
    focus: float = 60.0,
    near_half: bool = False,
    motion_px: tuple[float, float] = (0.0, 0.0),
    **weights: float,
) -> float:
    """DepthNet's term of a pair whose second frame only is far off its target; `near_half`: half of it nearer."""
    torch.manual_seed(0)
    model = DefocusModel(ModelOptions((8, 8, 8, 8), (8, 8, 8, 8))).eval()
    foci, target = torch.tensor([[20.0, focus]]), torch.full((1, 1, 16, 16), 18.0)
    if near_half:
        target[..., :8] = 62.0
    flags = torch.tensor([outside]), torch.tensor([standing])
    pair = Pair(
        torch.rand(1, 2, 3, 64, 64),
        foci,
        target,
        torch.zeros_like(target),
        torch.ones_like(target),
        *flags,
        torch.tensor([60.0]),
        torch.tensor([motion_px]),
    )
    with torch.no_grad():
        return float(pair_losses(model, pair, LossWeights.model_validate(weights))["depthnet"])


def test_frames_focused_inside_the_scene_weigh_by_what_shows_the_sign_of_their_blur() -> None:
    both = depth_loss([1, 1], 0.0)
    first_only = depth_loss([1, 0], 0.0, inside_share=0)
    assert first_only < depth_loss([1, 0], 0.0, inside_share=0.3) < both
    assert depth_loss([1, 0], 1.0, inside_share=0, standing_share=1) == both
    assert depth_loss([1, 0], 1.0, inside_share=1, standing_share=0) == first_only


def test_a_frame_counts_less_where_nothing_or_little_lies_beyond_its_focus() -> None:
    """The target is 18 px everywhere: the second frame, focused at 60 px, has all of it beyond, at 10 px nothing."""
    alone = depth_loss([1, 0], 1.0, standing_share=0)
    assert depth_loss([1, 0], 1.0, focus=10.0, standing_share=1) == depth_loss(
        [1, 0], 1.0, focus=10.0, standing_share=0
    )
    assert depth_loss([1, 0], 1.0, standing_share=1) > alone
    unseen, partly, half_beyond, less = (
        depth_loss([1, 0], 1.0, near_half=True, standing_share=share, least_far_share=least)
        for share, least in ((0, 0.5), (1, 1), (1, 0.5), (1, 0.3))
    )
    assert half_beyond == less
    assert min(unseen, half_beyond) < partly < max(unseen, half_beyond)


def test_motion_makes_a_target_doubtful_by_how_much_it_looks_like_blur() -> None:
    """Against the second moments of a disc that is smeared along a line, a disc at each place of it."""
    coc, length = 10.0, 8.0
    y, x = torch.meshgrid(*[torch.linspace(-12, 12, 961, dtype=torch.float64)] * 2, indexing="ij")
    smeared = torch.zeros_like(x)
    for place in length * ((torch.arange(160) + 0.5) / 160 - 0.5):
        smeared += ((x - place).square() + y.square() <= (coc / 2) ** 2).double()
    variance_px2 = float((smeared * (x.square() + y.square())).sum() / smeared.sum()) / 2
    looks_like_px = 4 * variance_px2**0.5
    doubt = motion_doubt_px(torch.tensor(coc), torch.tensor(length))
    assert abs(float(doubt) - (looks_like_px - coc)) < 0.02
    assert motion_doubt_px(torch.tensor(coc), torch.tensor(0.0)) == 0


def test_a_moved_frame_s_likelihood_knows_of_the_doubt() -> None:
    still = depth_loss([1, 1], 0.0)
    assert depth_loss([1, 1], 0.0, motion_px=(8.0, 0.0)) > still
    assert depth_loss([1, 1], 0.0, motion_px=(0.0, 8.0)) == still  # the second frame is wrong by more than the doubt
