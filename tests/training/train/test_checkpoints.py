"""Checkpoints: written whole or not at all, by name where they cannot be; what the averaged model is."""

from pathlib import Path

import pytest
import torch
from torch import nn

from defocus_depth.errors import ConfigError
from defocus_training.networks import DefocusModel, ModelOptions
from defocus_training.train.checkpoints import AveragedModel, load_state, save_state, save_weights

OPTIONS = ModelOptions((8, 8, 8, 8), (8, 8, 8, 8))


def test_weights_can_be_read_by_whoever_may_read_other_files(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    save_weights(tmp_path / "w.safetensors", DefocusModel(OPTIONS), OPTIONS)
    assert (tmp_path / "w.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("write failed\nat C++ …")])
def test_a_full_disk_leaves_the_last_checkpoint_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    save_state(tmp_path / "last.ckpt", {"step": 1})

    def fill_the_disk(state: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise error

    monkeypatch.setattr(torch, "save", fill_the_disk)
    with pytest.raises(ConfigError, match=r"last\.ckpt: expected a place that can be written, got .*") as refused:
        save_state(tmp_path / "last.ckpt", {"step": 2})
    assert "\n" not in str(refused.value)
    assert load_state(tmp_path / "last.ckpt") == {"step": 1} and len(list(tmp_path.iterdir())) == 1


def test_statistics_are_averaged_as_weights_are_and_counters_taken_as_they_are() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1))
    average = AveragedModel(model, 0.75)
    state = model.state_dict()
    for name, value in (("0.weight", 1), ("1.running_mean", 4), ("1.num_batches_tracked", 9)):
        state[name].fill_(value)
    before = {name: value.clone() for name, value in average.model.state_dict().items()}
    average.update(model, 10**6)
    after = average.model.state_dict()
    for name in ("0.weight", "1.running_mean"):
        torch.testing.assert_close(after[name], 0.75 * before[name] + 0.25 * state[name])
    assert int(after["1.num_batches_tracked"]) == 9
