"""Training: resumes bit for bit, is blind to ground truth, leaves weights that load, and refuses bad configurations."""

import dataclasses
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from pydantic import ValidationError

from defocus_depth.errors import ConfigError, ModelError
from defocus_training.data.pool import read_shard, shard_paths, write_shard
from defocus_training.train import photometric_step
from defocus_training.train.checkpoints import BEST, LAST, load_state, load_weights, save_weights
from defocus_training.train.config import TrainConfig, dump_config, find_config, load_config
from defocus_training.train.loop import VALIDATIONS, learning_rate, train
from defocus_training.train.photometric_step import chosen_renderer


def tiny_config(pool: Path | None, out: Path, **changes: object) -> TrainConfig:
    tree = {
        "out": str(out),
        "pool": pool and str(pool),
        "steps": 4,
        "pairs_per_step": 2,
        "warmup_steps": 1,
        "cooldown_steps": 1,
        "validate_every": 2,
        "checkpoint_every": 2,
        "workers": 0,
        "held_out_shards": 1,
        "precision": "32-true",
        "accelerator": "cpu",
        "crops": {"size_px": 64},
        "model": {"sdnet_widths": [8, 8, 8, 8], "depthnet_widths": [8, 8, 8, 8]},
    }
    return TrainConfig.model_validate(tree | changes)


def refining(weights: Path, pool: Path, out: Path, **changes: object) -> TrainConfig:
    """The same from weights, which say what model they are of."""
    return tiny_config(pool, out, init=str(weights), model={}, **changes)


def weights_of(out: Path) -> dict[str, torch.Tensor]:
    return load_state(out / LAST)["model"]


def test_trains_validates_and_writes_what_others_need(pool_folder: Path, tmp_path: Path) -> None:
    config = tiny_config(pool_folder, tmp_path / "run")
    figures = train(config).figures
    assert {"sdnet", "depthnet", "defocus", "coc_error_px", "abs_rel"} <= figures.keys()
    assert all(np.isfinite(value) for value in figures.values())
    assert load_weights(tmp_path / "run" / BEST).options == config.model
    assert load_config(tmp_path / "run" / "config.yaml") == config
    assert (tmp_path / "run" / "revision.txt").read_text().strip()
    assert list((tmp_path / "run").rglob("events.out.tfevents*"))
    validations = [json.loads(line) for line in (tmp_path / "run" / VALIDATIONS).read_text().splitlines()]
    assert [entry["step"] for entry in validations] == [2, 4] and validations[-1]["abs_rel"] == figures["abs_rel"]
    assert not list((tmp_path / "run").glob("average-*"))


def test_snapshots_of_the_averaged_weights_are_kept_when_asked_for(pool_folder: Path, tmp_path: Path) -> None:
    train(tiny_config(pool_folder, tmp_path, snapshot_every=2))
    kept = sorted(path.name for path in tmp_path.glob("average-*"))
    assert kept == ["average-0000002.safetensors", "average-0000004.safetensors"]
    assert load_weights(tmp_path / kept[0])


def test_renderer_and_place_of_crops_follow_the_device(pool_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_config(pool_folder, Path("o"))
    monkeypatch.setattr(photometric_step, "find_spec", lambda name: name)
    assert chosen_renderer(config, torch.device("cpu")) == "splat"
    assert chosen_renderer(config, torch.device("cuda")) == "gsplat"
    monkeypatch.setattr(photometric_step, "find_spec", lambda name: None)
    assert chosen_renderer(config, torch.device("cuda")) == "splat"
    assert (
        chosen_renderer(config.model_copy(update={"photometric_renderer": "reblur"}), torch.device("cuda")) == "reblur"
    )


def test_a_finished_run_resumes_where_it_stopped(pool_folder: Path, tmp_path: Path) -> None:
    train(tiny_config(pool_folder, tmp_path / "a", steps=2))
    stopped = weights_of(tmp_path / "a")
    train(tiny_config(pool_folder, tmp_path / "a", steps=2))
    assert all(torch.equal(stopped[name], value) for name, value in weights_of(tmp_path / "a").items())
    train(tiny_config(pool_folder, tmp_path / "a", steps=4))
    assert load_state(tmp_path / "a" / LAST)["step"] == 4
    assert any(not torch.equal(stopped[name], value) for name, value in weights_of(tmp_path / "a").items())


def test_poisoned_ground_truth_changes_no_bit_of_self_supervised_training(pool_folder: Path, tmp_path: Path) -> None:
    poisoned = tmp_path / "poisoned"
    for path in shard_paths(pool_folder):
        shard = read_shard(path)
        write_shard(poisoned / path.name, dataclasses.replace(shard, truth_px=np.full_like(shard.truth_px, np.nan)))
    train(tiny_config(pool_folder, tmp_path / "clean"))
    train(tiny_config(poisoned, tmp_path / "blind"))
    clean, blind = weights_of(tmp_path / "clean"), weights_of(tmp_path / "blind")
    assert all(torch.equal(clean[name], blind[name]) for name in clean)
    with pytest.raises(ConfigError, match="sdnet nan, depthnet nan"):  # the poison works: the supervised twin reads it
        train(tiny_config(poisoned, tmp_path / "truth", supervision="truth"))


def test_crops_cut_on_the_device_train_resume_and_are_blind_to_ground_truth(pool_folder: Path, tmp_path: Path) -> None:
    poisoned = tmp_path / "poisoned"
    for path in shard_paths(pool_folder):
        shard = read_shard(path)
        write_shard(poisoned / path.name, dataclasses.replace(shard, truth_px=np.full_like(shard.truth_px, np.nan)))
    changes = {"crops_on": "device", "photometric_every": 2, "photometric_renderer": "reblur"}
    for name, pool in (("clean", pool_folder), ("blind", poisoned)):
        figures = train(tiny_config(pool, tmp_path / name, **changes, steps=2)).figures
        assert all(np.isfinite(value) for value in figures.values())
        train(tiny_config(pool, tmp_path / name, **changes, steps=4))
        assert load_state(tmp_path / name / LAST)["step"] == 4
    clean, blind = weights_of(tmp_path / "clean"), weights_of(tmp_path / "blind")
    assert all(torch.equal(clean[name], blind[name]) for name in clean)
    with pytest.raises(ConfigError, match="supervision truth: expected finite losses and gradients, got sdnet nan"):
        train(tiny_config(poisoned, tmp_path / "truth", **changes, supervision="truth"))


def test_crops_on_the_device_need_a_pool(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="expected a pool with 'device'"):
        tiny_config(None, tmp_path, crops_on="device")


@pytest.mark.timeout(100)
@pytest.mark.parametrize("workers", [0, 1])
def test_a_torn_shard_is_told_in_one_line_wherever_it_is_read(pool_folder: Path, tmp_path: Path, workers: int) -> None:
    pool, config = tmp_path / "pool", tmp_path / "config.yaml"
    shutil.copytree(pool_folder, pool)
    for path in shard_paths(pool)[1:]:
        path.write_bytes(path.read_bytes()[:-400])
    config.write_text(dump_config(tiny_config(pool, tmp_path / "run", workers=workers)))
    command = [sys.executable, "-m", "defocus_training.cli", "train", str(config)]  # in a process of its own: it forks
    ended = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert ended.returncode == 2 and "Traceback" not in ended.stderr
    assert re.search(r"^defocus_training train: .*npz: expected a whole shard", ended.stderr, re.MULTILINE)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_an_accelerator_that_is_not_there_is_refused(pool_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="accelerator cuda and 1 devices: expected what this machine has, got: "):
        train(tiny_config(pool_folder, tmp_path / "run", accelerator="cuda"))


@pytest.mark.parametrize("out", ["file", "file/below"])
def test_a_place_that_cannot_be_written_is_refused(pool_folder: Path, tmp_path: Path, out: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(ConfigError, match=f"{out}: expected a place that can be written"):
        train(tiny_config(pool_folder, tmp_path / out))


@pytest.mark.timeout(100)
def test_data_workers_start_although_opencv_has_threads(pool_folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(dump_config(tiny_config(pool_folder, tmp_path / "run", steps=2, workers=1)))
    code = (  # in a process of its own, because it forks
        "import sys, cv2, numpy as np\n"
        "from pathlib import Path\n"
        "from defocus_training.train.config import load_config\n"
        "from defocus_training.train.loop import train\n"
        "cv2.setNumThreads(4)\n"
        "cv2.GaussianBlur(np.zeros((2000, 2000), np.float32), (0, 0), 5)  # starts OpenCV's pool of threads\n"
        "assert train(load_config(Path(sys.argv[1]))).figures\n"
    )
    subprocess.run([sys.executable, "-c", code, str(config)], check=True, timeout=90)


def test_training_starts_from_given_weights(pool_folder: Path, tmp_path: Path) -> None:
    train(tiny_config(pool_folder, tmp_path / "first"))
    start = load_weights(tmp_path / "first" / BEST)
    train(refining(tmp_path / "first" / BEST, pool_folder, tmp_path / "second", steps=1, learning_rate=1e-12))
    after = weights_of(tmp_path / "second")
    for name, value in start.named_parameters():
        torch.testing.assert_close(after[name], value.detach(), atol=1e-6, rtol=1e-5)


def test_depthnet_can_be_trained_alone(pool_folder: Path, tmp_path: Path) -> None:
    train(tiny_config(pool_folder, tmp_path / "first"))
    start = load_weights(tmp_path / "first" / BEST).state_dict()
    train(refining(tmp_path / "first" / BEST, pool_folder, tmp_path / "second", trained="depthnet"))
    after = weights_of(tmp_path / "second")
    kept = {name for name, value in start.items() if torch.equal(after[name], value)}
    assert {name for name in start if name.startswith("sdnet")} <= kept
    assert {name for name in start if name.startswith("depthnet") and name.endswith("weight")}.isdisjoint(kept)


def test_trains_on_stacks_made_on_the_fly(tmp_path: Path) -> None:
    procedural = {
        "size_px": 72,
        "frames": 3,
        "largest_coc_px": 24.0,
        "nearest_px": [8.0, 18.0],
        "simulated_share": 0,
        "standing_share": 0,
    }
    stream = {"procedural": procedural, "stacks": 3, "draws_per_stack": 8, "held_out_stacks": 2}
    config = tiny_config(None, tmp_path / "run", stream=stream, photometric_every=2)
    assert np.isfinite(train(config).figures["abs_rel"])
    assert load_config(tmp_path / "run" / "config.yaml") == config and config.pool is None


def test_learning_rate_warms_up_holds_and_cools_down() -> None:
    config = TrainConfig(
        out=Path("o"), pool=Path("p"), steps=100, warmup_steps=10, cooldown_steps=20, learning_rate=1.0
    )
    rates = [learning_rate(config, step) for step in range(101)]
    assert rates[0] == 0.1 and rates[50] == 1.0 and rates[90] == 0.5 and rates[100] == 0.0


def test_configuration_reads_overrides_and_names_the_bad_field(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("out: o\npool: p\n")
    config = load_config(file, ["steps=7", "losses.defocus=0.5", "augment.jpeg=0.0"])
    assert (config.steps, config.losses.defocus, config.augment.jpeg) == (7, 0.5, 0.0)
    assert yaml.safe_load(dump_config(config))["steps"] == 7
    for bad, message in (
        ("steps=0", "steps: .*greater than 0.*got 0"),
        ("stepz=1", "stepz: .*not permitted"),
        ("steps", "expected key=value"),
        ("steps=[", r"--set steps=\[: expected a YAML value"),
        ("crops.size_px=100", "crops.size_px: .*multiple of 32, got 100"),
        ("crops.near_share=7", "crops.near_share: .*less than or equal to 1, got 7"),
        ("augment.rescale=[1.3,0.7]", r"augment.rescale: expected 0 < least ≤ most, got \[1.3, 0.7\]$"),
        ("augment.jpeg=-3", "augment.jpeg: .*greater than or equal to 0, got -3"),
        ("stream.stacks=0", "stream.stacks: .*greater than or equal to 1, got 0"),
        ("pool.x=3", "--set pool.x=3: expected a part of the configuration before the dot, got 'p'"),
        ("crops_on=device pool=null", "c.yaml: crops_on: expected a pool with 'device', got pool null$"),
        ("init=released model.sdnet_widths=[8,8,8,8]", "model: expected none beside init, .* got ModelOptions"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_config(file, bad.split())
    with pytest.raises(ConfigError, match="expected a readable YAML"):
        load_config(tmp_path / "none.yaml")
    for content, message in ((b"\x89PNG\xff", "expected a readable YAML"), (b"- a", "expected keys and values, got")):
        file.write_bytes(content)
        with pytest.raises(ConfigError, match=message):
            load_config(file, ["steps=1"])


def test_the_shipped_configurations_are_read_and_only_the_yardstick_sees_labels() -> None:
    folder = Path(__file__).resolve().parents[3] / "config/training"
    supervision = {path.stem: load_config(path).supervision for path in folder.glob("*.yaml")}
    assert supervision == {"self": "self", "released": "self", "refine": "self", "truth": "truth"}


def test_a_configuration_goes_by_its_name_or_path(tmp_path: Path) -> None:
    assert load_config(find_config("refine")).init == "released"
    assert find_config(str(tmp_path / "mine.yaml")) == tmp_path / "mine.yaml"
    with pytest.raises(ConfigError, match="expected one of refine, released, self, truth, or .* got 'x'"):
        find_config("x")


def test_unreadable_weights_and_checkpoints_are_refused_by_name(tmp_path: Path, pool_folder: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match=r"w\.safetensors: expected weights"):
        load_weights(tmp_path / "w.safetensors")
    (tmp_path / LAST).write_bytes(b"no checkpoint")
    with pytest.raises(ConfigError, match=r"last\.ckpt: expected a checkpoint"):
        train(tiny_config(pool_folder, tmp_path))


def test_half_precision_weights_come_back_within_rounding(pool_folder: Path, tmp_path: Path) -> None:
    train(tiny_config(pool_folder, tmp_path / "run"))
    model = load_weights(tmp_path / "run" / BEST)
    save_weights(tmp_path / "half.safetensors", model, model.options, half=True)
    again = load_weights(tmp_path / "half.safetensors").state_dict()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(again[name], value, atol=1e-3, rtol=1e-3)
    assert (tmp_path / "half.safetensors").stat().st_size < (tmp_path / "run" / BEST).stat().st_size
    shutil.rmtree(tmp_path / "run")
