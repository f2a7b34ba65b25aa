"""Training in two processes under torchrun, on the CPU: one run, not two."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from defocus_training.train.checkpoints import BEST, LAST, load_state, load_weights
from defocus_training.train.config import dump_config

from .test_train import tiny_config

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]  # four processes import torch, one after the other two

RANK_PROGRAM = """
import os, sys
from pathlib import Path
import torch
from defocus_training.train import loop
from defocus_training.train.config import load_config

seen, runs = [], []

class Watched(loop._Run):
    def advance(self, pair):
        runs.append(self)
        seen.append((self.step, float(pair.image.sum())))
        super().advance(pair)

loop._Run = Watched
loop.train(load_config(Path(sys.argv[1])))
weights = {name: value.detach() for name, value in loop._bare(runs[-1].model).named_parameters()}
torch.save({"seen": seen, "weights": weights}, Path(sys.argv[2]) / f"rank{os.environ['RANK']}.pt")
"""


def train_in_two(folder: Path, pool: Path, steps: int) -> list[dict]:
    """Train to `steps` under torchrun; what each rank saw and ended with."""
    (folder / "rank.py").write_text(RANK_PROGRAM)
    changes = {"steps": steps, "photometric_every": 2, "photometric_pairs": 1}
    (folder / "config.yaml").write_text(dump_config(tiny_config(pool, folder / "run", **changes)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(folder / "rank.py"), str(folder / "config.yaml"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-4000:]
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(2)]


@pytest.fixture(scope="module")
def two(pool_folder: Path, tmp_path_factory: pytest.TempPathFactory):
    """A run of four steps, and the same taken up to six."""
    folder = tmp_path_factory.mktemp("two")
    first = train_in_two(folder, pool_folder, 4)
    stopped = load_state(folder / "run" / LAST)
    return folder, first, stopped, train_in_two(folder, pool_folder, 6)


def test_ranks_see_different_data(two) -> None:
    _, (one, other), _, _ = two
    assert [step for step, _ in one["seen"]] == [step for step, _ in other["seen"]] == [0, 1, 2, 3]
    assert not {total for _, total in one["seen"]} & {total for _, total in other["seen"]}


def test_gradients_are_synchronised(two) -> None:
    """Different data, equal weights after every rank's own optimiser steps."""
    _, (one, other), stopped, _ = two
    assert one["weights"].keys() == other["weights"].keys() and len(one["weights"]) > 10
    assert all(torch.equal(one["weights"][name], other["weights"][name]) for name in one["weights"])
    assert all(torch.equal(stopped["model"][name], value) for name, value in one["weights"].items())


def test_there_is_one_checkpoint_and_one_log(two) -> None:
    folder, _, stopped, _ = two
    assert stopped["step"] == 4
    assert [path.name for path in (folder / "run").glob("*.ckpt")] == [LAST]
    assert not list((folder / "run").glob("*.partial"))
    assert len(list((folder / "run").rglob("events.out.tfevents*"))) == 2  # one for each of the two runs
    load_weights(folder / "run" / BEST)


def test_resumes_in_both_processes(two) -> None:
    folder, first, _, (one, other) = two
    assert [step for step, _ in one["seen"]] == [step for step, _ in other["seen"]] == [4, 5]
    assert all(torch.equal(one["weights"][name], other["weights"][name]) for name in one["weights"])
    assert any(not torch.equal(first[0]["weights"][name], value) for name, value in one["weights"].items())
    assert load_state(folder / "run" / LAST)["step"] == 6
