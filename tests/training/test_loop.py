"""The whole loop as a user walks it: stacks → fits → a pool → refined weights → an exported model → a running node."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="ROS 2 is not installed")

from defocus_depth.cli import COMMANDS as RUNTIME  # noqa: E402
from defocus_depth.commands.dispatch import Command, main  # noqa: E402
from defocus_depth.inference.artifact import file_sha256  # noqa: E402
from defocus_training.cli import COMMANDS as TRAINING  # noqa: E402

BRIEF = (
    "steps=3", "pairs_per_step=2", "warmup_steps=1", "cooldown_steps=1", "photometric_every=2", "photometric_pairs=1",
    "validate_every=3", "checkpoint_every=3", "workers=0", "accelerator=cpu", "crops.size_px=96",
    "learning_rate=1e-5",  # full steps with so little warming up spoil the weights, and calibration refuses them
)  # fmt: skip


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command line; returns what it said."""

    def run(commands: Mapping[str, Command], *words: object) -> str:
        assert main("test", commands, [str(word) for word in words]) == 0, capsys.readouterr().err
        said = capsys.readouterr()
        return said.out + said.err

    return run


@pytest.mark.slow
@pytest.mark.timeout(480)  # about a minute on two free cores
def test_a_users_own_stacks_become_the_model_that_the_node_publishes_with(
    call: Callable[..., str], tmp_path: Path
) -> None:
    stacks, fits, pool, run = (tmp_path / name for name in ("stacks", "fits", "pool", "run"))
    call(RUNTIME, "simulate", stacks, "--count", 2, "--seed", 41, "--samples-per-pixel", 16)
    call(TRAINING, "fit", stacks, "--out", fits)
    said = call(TRAINING, "stack-pool", stacks, "--fits", fits, "--out", pool)
    held_out = said.split("held_out_shards=")[1].split()[0]
    call(
        TRAINING, "train", "refine", "--set", f"pool={pool}", f"out={run}",
        f"held_out_shards={held_out}", *BRIEF,
    )  # fmt: skip
    model = tmp_path / "mine.onnx"
    call(
        TRAINING, "export", run / "best.safetensors", "--out", model, "--supervision", "self",
        "--trained-on", "two simulated stacks", "--calibrate-on", stacks, "--fits", fits,
    )  # fmt: skip
    bag, figures = tmp_path / "tour.mcap", tmp_path / "online.json"
    call(RUNTIME, "simulate-bag", bag, "--frames", 6, "--rate-hz", 5, "--width-px", 160, "--samples-per-pixel", 4)
    call(RUNTIME, "replay", bag, "--image-topic", "/image", "--lens", "robot", "--model", model, "--json", figures)
    measured = json.loads(figures.read_text(encoding="utf-8"))
    assert measured["provenance"]["model_sha256"] == file_sha256(model)  # as the node itself says in /diagnostics
    assert measured["n"] > 0
