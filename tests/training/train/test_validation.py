"""Validation's errors are over the frames whose blur has one sign, of all batches together."""

from pathlib import Path

import pytest
import torch

from defocus_training.data.crops import Pair
from defocus_training.networks import DefocusModel, ModelOptions
from defocus_training.train.validation import validate

from .test_train import tiny_config

ERRORS = {"coc_error_px", "abs_rel", "inverse_depth_error_px"}


def pairs(outside: list[float], target_px: float) -> Pair:
    """A batch with a pair for each flag of its first frame."""
    count = len(outside)
    target = torch.full((count, 1, 16, 16), target_px)
    return Pair(
        torch.rand(count, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0)),
        torch.tensor([[20.0, 5.0]] * count),
        target,
        torch.zeros_like(target),
        torch.ones_like(target),
        torch.tensor([[flag, 0.0] for flag in outside]),
        torch.zeros(count),
        torch.full((count,), 60.0),
        torch.zeros(count, 2),
    )


@pytest.fixture
def figures_of(tmp_path: Path):
    torch.manual_seed(0)
    model, config = DefocusModel(ModelOptions((8, 8, 8, 8), (8, 8, 8, 8))), tiny_config(tmp_path, tmp_path)
    return lambda *batches: validate(model, list(batches), config)


def test_batches_without_such_frames_change_no_error(figures_of) -> None:
    alone = figures_of(pairs([1, 1], 18.0))
    beside = figures_of(pairs([1, 1], 18.0), pairs([0, 0], 3.0))
    assert {name: beside[name] for name in ERRORS} == {name: alone[name] for name in ERRORS}
    assert beside["sdnet"] != alone["sdnet"]


def test_every_such_frame_counts_alike_whatever_batch_it_is_in(figures_of) -> None:
    one, two = pairs([1, 0, 0], 18.0), pairs([1, 1, 1], 6.0)
    separate = [figures_of(batch)["inverse_depth_error_px"] for batch in (one, two)]
    assert figures_of(one, two)["inverse_depth_error_px"] == pytest.approx((separate[0] + 3 * separate[1]) / 4)


def test_where_there_are_none_there_are_no_errors(figures_of) -> None:
    assert not ERRORS & figures_of(pairs([0, 0], 18.0)).keys()
