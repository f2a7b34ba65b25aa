"""`defocus_training average`: weights between two models of one training."""

from pathlib import Path

import pytest
import torch

from defocus_depth.commands.dispatch import main
from defocus_training.cli import COMMANDS
from defocus_training.networks import DefocusModel, ModelOptions
from defocus_training.train.checkpoints import load_weights, save_weights

OPTIONS = ModelOptions((8, 8, 8, 8), (8, 8, 8, 8))


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "start.safetensors", tmp_path / "end.safetensors"
    for seed, path in enumerate(paths):
        torch.manual_seed(seed)
        save_weights(path, DefocusModel(OPTIONS).eval(), OPTIONS)
    return paths


def average(*arguments: object) -> int:
    return main("defocus_training", COMMANDS, ["average", *map(str, arguments)])


def test_weights_lie_between_the_two_depthnet_s_by_a_share_of_its_own(two: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    assert average(*two, "--out", out, "--share", 0.25, "--depthnet-share", 1) == 0
    start, end, found = (load_weights(path).state_dict() for path in (*two, out))
    for name, value in found.items():
        if value.dtype.is_floating_point:
            share = 1.0 if name.startswith("depthnet.") else 0.25
            torch.testing.assert_close(value, (1 - share) * start[name] + share * end[name])


def test_what_cannot_be_averaged_is_refused(
    two: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert average(*two, "--out", tmp_path / "o.safetensors", "--share", 1.5) == 2
    assert "--share: expected 0..1, got 1.5" in capsys.readouterr().err
    assert average(*two, "--out", two[0] / "below.safetensors") == 2
    assert "below.safetensors: expected a place that can be written" in capsys.readouterr().err
    wider = ModelOptions((8, 8, 8, 16), (8, 8, 8, 8))
    save_weights(two[1], DefocusModel(wider).eval(), wider)
    assert average(*two, "--out", tmp_path / "o.safetensors") == 2
    assert "expected two models of one architecture" in capsys.readouterr().err
