"""`defocus_training export`: which files it writes to, and what it refuses to."""

from pathlib import Path

import pytest
import torch

from defocus_depth.commands.dispatch import main
from defocus_training.cli import COMMANDS
from defocus_training.networks import DefocusModel, ModelOptions
from defocus_training.train.checkpoints import save_weights

OPTIONS = ModelOptions((8, 8, 8, 8), (8, 8, 8, 8))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "best.safetensors"
    save_weights(path, DefocusModel(OPTIONS).eval(), OPTIONS)
    return path


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("mine", "--out: expected a file name <name>.onnx, got "),
        ("mine.json", "--out: expected a file name <name>.onnx, got "),
        ("best.onnx", "--out: expected another name than that of the weights"),
        ("sub/../best.onnx", "--out: expected another name than that of the weights"),
        ("best.safetensors/mine.onnx", "mine.onnx: expected a place that can be written"),
    ],
)
def test_what_would_be_lost_or_nonsense_is_not_written(
    weights: Path, out: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = weights.read_bytes()
    given = ["export", str(weights), "--out", str(weights.parent / out), "--supervision", "self", "--trained-on", "it"]
    assert main("t", COMMANDS, given) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert weights.read_bytes() == before and list(weights.parent.iterdir()) == [weights]
