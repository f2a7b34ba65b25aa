"""A run is taken up as itself or not at all; scores that cannot be compared are not."""

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from defocus_depth.errors import ConfigError
from defocus_training.data.photometric import PhotometricPair
from defocus_training.train import loop
from defocus_training.train.checkpoints import BEST, LAST, load_state, save_state
from defocus_training.train.config import TrainConfig
from defocus_training.train.loop import train
from defocus_training.train.resuming import require_same_run, same_measure, settings_of

from .test_train import tiny_config

POOL, OUT = Path("pool"), Path("run")
BEGUN = settings_of(tiny_config(POOL, OUT))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pool": "other"}, "run: expected pool .*/pool, with which the run there began, got pool .*/other: choose"),
        ({"init": "released", "model": {}}, "expected init None, model.sdnet_widths .* got init released"),
        ({"supervision": "truth"}, "expected supervision self, .* got supervision truth"),
        ({"held_out_shards": 3}, "expected held_out_shards 1, .* got held_out_shards 3"),
        ({"model": {"sdnet_widths": [8, 8, 8, 16]}}, r"expected model.sdnet_widths \[8, 8, 8, 8\]"),
    ],
)
def test_another_run_is_refused_by_the_names_of_what_differs(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        require_same_run(TrainConfig.model_validate(BEGUN | changes), BEGUN)


def test_a_run_may_be_lengthened_and_taught_otherwise() -> None:
    changes = {"steps": 9, "learning_rate": 1.0, "crops": {"size_px": 96}, "losses": {"blur": 0}, "bank_stacks": 7}
    require_same_run(TrainConfig.model_validate(BEGUN | changes), BEGUN)


def test_a_checkpoint_copied_elsewhere_is_a_branch_with_the_same_networks() -> None:
    require_same_run(tiny_config(POOL, Path("twin"), supervision="truth"), BEGUN)
    with pytest.raises(ConfigError, match=r"expected model\.sdnet_widths"):
        require_same_run(tiny_config(POOL, Path("twin"), model={}), BEGUN)


def test_what_an_older_checkpoint_did_not_keep_is_believed() -> None:
    require_same_run(tiny_config(POOL, OUT), {})
    assert same_measure(tiny_config(POOL, OUT), {})
    kept = copy.deepcopy(BEGUN)
    del kept["model"]["smoothing"], kept["pool"]
    require_same_run(tiny_config(Path("other"), OUT), kept)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({"steps": 9, "gradient_clip": 3.0}, True),
        ({"crops": {"size_px": 96}}, False),
        ({"losses": {"sdnet": 2.0}}, False),
    ],
)
def test_the_best_score_is_kept_where_it_means_the_same(
    pool_folder: Path, tmp_path: Path, changes: dict[str, Any], same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tiny_config(pool_folder, tmp_path, steps=1))
    best: list[float] = []
    monkeypatch.setattr(loop._Run, "advance", lambda run, pair: best.append(run.best) or setattr(run, "step", 99))
    train(tiny_config(pool_folder, tmp_path, **{"steps": 2, **changes}))
    assert best == ([load_state(tmp_path / LAST)["best"]] if same else [math.inf])


def test_a_refused_call_leaves_what_tells_of_the_good_run(pool_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    train(tiny_config(pool_folder, out, steps=1))
    before = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    (tmp_path / "empty").mkdir()
    for bad in (tiny_config(pool_folder, out, steps=2, held_out_shards=2), tiny_config(tmp_path / "empty", out)):
        with pytest.raises(ConfigError):
            train(bad)
    assert {path: path.read_bytes() for path in out.iterdir() if path.is_file()} == before
    assert (out / BEST) in before


def test_networks_of_other_widths_are_one_line_with_an_older_checkpoint_too(pool_folder: Path, tmp_path: Path) -> None:
    train(tiny_config(pool_folder, tmp_path, steps=1))
    state = load_state(tmp_path / LAST)
    del state["config"], state["figures"]
    save_state(tmp_path / LAST, state)
    with pytest.raises(ConfigError, match=r"^[^\n]*last\.ckpt: expected networks as `model` or `init` say[^\n]*$"):
        train(tiny_config(pool_folder, tmp_path, model={"sdnet_widths": [8, 8, 8, 16]}))
    assert train(tiny_config(pool_folder, tmp_path, steps=2)).new_steps == 1  # as itself it is taken up


def test_a_resumed_run_renders_other_pairs_than_it_began_with(
    pool_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    really = loop.photometric_losses

    def watched(model: Any, batch: PhotometricPair, renderer: Any) -> dict[str, torch.Tensor]:
        seen.append(batch.sharp)
        return really(model, batch, renderer)

    monkeypatch.setattr(loop, "photometric_losses", watched)
    for steps in (1, 2):
        train(tiny_config(pool_folder, tmp_path, steps=steps, photometric_every=1))
    assert len(seen) == 2 and not torch.equal(*seen)


def test_folders_are_the_same_however_they_are_written() -> None:
    written = {"pool": str(POOL.absolute()), "out": f"../{Path.cwd().name}/{OUT}"}
    require_same_run(TrainConfig.model_validate(BEGUN | written), BEGUN)
    with pytest.raises(ConfigError, match="expected pool "):
        require_same_run(TrainConfig.model_validate(BEGUN | written | {"pool": "other"}), BEGUN)
