"""The picture for TensorBoard shows what it says, and training logs it."""

from pathlib import Path

import numpy as np
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from defocus_training.data.crops import Pair
from defocus_training.networks import DefocusModel, ModelOptions
from defocus_training.train.loop import train
from defocus_training.train.pictures import ROWS, panel

from .test_train import tiny_config


def test_rows_show_image_targets_predictions_and_weights() -> None:
    pair = Pair(
        torch.full((ROWS + 1, 2, 3, 64, 64), 0.5),
        torch.full((ROWS + 1, 2), 20.0),
        torch.full((ROWS + 1, 1, 16, 16), 20.0),
        torch.zeros(ROWS + 1, 1, 16, 16),
        torch.ones(ROWS + 1, 1, 16, 16),
        torch.ones(ROWS + 1, 2),
        torch.ones(ROWS + 1),
        torch.full((ROWS + 1,), 20.0),
        torch.zeros(ROWS + 1, 2),
    )
    shown = panel(DefocusModel(ModelOptions((8, 8, 8, 8), (8, 8, 8, 8))), pair)
    assert shown.shape == (ROWS * 64, 5 * 64, 3) and shown.dtype == np.uint8
    assert (shown[:, :64] == 127).all()  # the image
    assert np.ptp(shown[:, 64:128], axis=(0, 1)).max() == 0  # a target of no blur everywhere
    assert (shown[:, 256:] == 255).all()  # full weight


def test_training_logs_a_panel(pool_folder: Path, tmp_path: Path) -> None:
    train(tiny_config(pool_folder, tmp_path / "run", steps=2))
    log = EventAccumulator(str(next((tmp_path / "run/tensorboard").rglob("events.out.tfevents*")).parent))
    log.Reload()
    assert log.Tags()["images"] == ["validation/panel"]
    assert "validation/abs_rel" in log.Tags()["scalars"]
