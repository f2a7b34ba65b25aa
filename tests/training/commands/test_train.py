"""`defocus_training train`: what it says of a run, and which process says it."""

import json
from pathlib import Path

import pytest

from defocus_depth.commands.dispatch import main
from defocus_training.cli import COMMANDS
from defocus_training.train import loop
from defocus_training.train.loop import Trained

BRIEF = (
    "steps=2", "pairs_per_step=2", "validate_every=2", "photometric_every=0", "workers=0", "held_out_shards=1",
    "accelerator=cpu", "precision=32-true", "crops.size_px=64",
    "model.sdnet_widths=[8,8,8,8]", "model.depthnet_widths=[8,8,8,8]",
)  # fmt: skip


def run(folder: Path, *settings: str) -> int:
    (folder / "c.yaml").write_text(f"out: {folder / 'run'}\n")
    json_file = str(folder / "figures.json")
    return main("t", COMMANDS, ["train", str(folder / "c.yaml"), "--json", json_file, "--set", *BRIEF, *settings])


def test_a_finished_run_says_where_it_stands_and_how_to_go_on(
    pool_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, f"pool={pool_folder}") == 0
    assert "trained 2 steps, 2 in all: sdnet " in capsys.readouterr().err
    figures = json.loads((tmp_path / "figures.json").read_text())
    (tmp_path / "figures.json").unlink()
    assert run(tmp_path, f"pool={pool_folder}") == 0
    said = capsys.readouterr().err
    assert "is at step 2 already: to go on raise steps, to begin anew choose another out; its last" in said
    assert f"abs_rel {figures['abs_rel']:.4g}" in said
    assert json.loads((tmp_path / "figures.json").read_text()) == figures and figures


def test_only_one_of_several_processes_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for reports in (False, True):
        monkeypatch.setattr(loop, "train", lambda config, reports=reports: Trained(2, 2, {"abs_rel": 0.5}, reports))
        assert run(tmp_path, "pool=p") == 0
        assert (tmp_path / "figures.json").exists() is reports
        assert ("abs_rel 0.5" in capsys.readouterr().err) is reports
