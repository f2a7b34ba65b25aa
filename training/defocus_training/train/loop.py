"""The training loop: read it from `train` down."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from lightning.fabric import Fabric
from lightning.fabric.loggers.tensorboard import TensorBoardLogger
from lightning.fabric.utilities.exceptions import MisconfigurationException
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.utils.data import DataLoader

from defocus_depth.errors import ConfigError
from defocus_depth.inference.artifact import RELEASED_MODEL

from ..data.crops import Pair, PairStream
from ..data.device_crops import DevicePairs
from ..data.photometric import PhotometricPair, PhotometricPairs
from ..data.stack_bank import StackBank
from ..networks import DefocusModel
from .checkpoints import (
    BEST,
    LAST,
    AveragedModel,
    describe_run,
    load_state,
    load_weights,
    save_state,
    save_weights,
    writable,
)
from .config import Renderer, TrainConfig, shard_source
from .photometric_step import chosen_renderer, photometric_losses
from .pictures import panel
from .resuming import require_same_run, same_measure, settings_of
from .step import not_finite, pair_losses, total_loss
from .validation import validate, validation_batches

PHOTOMETRIC_SEED = 77
VALIDATIONS = "validations.jsonl"
SHOW_EVERY = 10
"""Steps between looks at the loss: each makes the host wait for the device."""
RELEASED_WEIGHTS = RELEASED_MODEL.with_suffix(".safetensors")


@dataclass(frozen=True)
class Trained:
    """Where a run stands after `train`.

    Attributes:
        step: steps done in all.
        new_steps: of those, by this call; 0: there were enough already.
        figures: of the last validation; empty after 0 new steps from a checkpoint of a version that kept none.
        reports: whether this is the one of all processes that tells.
    """

    step: int
    new_steps: int
    figures: dict[str, float]
    reports: bool


def train(config: TrainConfig) -> Trained:
    """Train to the configured number of steps, resuming from `out/last.ckpt`.

    Raises:
        ConfigError: the run in `out` is another one; a pool, checkpoint or place that cannot be read or written;
            a loss that is not finite.
        ModelError: `init` holds no weights.
    """
    cv2.setNumThreads(1)  # its pool of threads does not survive the fork of the data workers: they would wait for ever
    fabric = _launch(config)
    run = _Run(fabric, config)
    run.resume()
    begun = run.step
    if begun < config.steps:
        _advance_to_the_end(fabric, config, run)
    return Trained(run.step, run.step - begun, run.figures, fabric.is_global_zero)


def _advance_to_the_end(fabric: Fabric, config: TrainConfig, run: _Run) -> None:
    stream, run.photometric = _streams(fabric, config, run.step)
    if fabric.is_global_zero:  # not before all is checked: a refused call leaves what tells of the run before
        describe_run(config.out, config)
    with _progress(fabric) as progress:
        task = progress.add_task("training", total=config.steps, completed=run.step, figures="")
        while run.step < config.steps:
            run.advance(next(stream))
            if run.step % SHOW_EVERY == 0 or run.step == config.steps:
                progress.update(task, completed=run.step, figures=run.summary())


class _Run:
    """Everything that changes while training, and how it is saved."""

    def __init__(self, fabric: Fabric, config: TrainConfig) -> None:
        self.fabric, self.config, self.step = fabric, config, 0
        torch.manual_seed(config.seed)
        model = _start(config)
        model.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        model.sdnet.requires_grad_(config.trained == "both")
        self.average = AveragedModel[DefocusModel](model, config.ema_decay)
        self.average.model.to(fabric.device)
        if config.compile:
            model.sdnet.compile()
            model.depthnet.compile()
        optimiser = torch.optim.AdamW(
            model.parameters(),
            config.learning_rate,
            weight_decay=config.weight_decay,
            fused=fabric.device.type == "cuda",
        )
        self.model, self.optimiser = fabric.setup(model, optimiser)
        self.model.mark_forward_method("estimate_px")
        self.batches = [fabric.to_device(pair) for pair in validation_batches(config)]
        self.renderer: Renderer = chosen_renderer(config, fabric.device)
        self.photometric: Iterator[PhotometricPair] = iter(())
        self.figures: dict[str, float] = {}
        self.best = math.inf
        self.last_loss = torch.tensor(float("nan"))

    def advance(self, pair: Pair) -> None:
        """One optimiser step, and whatever falls due after it."""
        self._optimise(pair)
        self.step += 1
        if self.step % self.config.validate_every == 0 or self.step == self.config.steps:
            self._validate()
        if self.step % self.config.checkpoint_every == 0 or self.step == self.config.steps:
            self._save()
        if self.config.snapshot_every and self.step % self.config.snapshot_every == 0:
            self._keep_snapshot()

    def resume(self) -> None:
        """Take up the last checkpoint, if there is one.

        Raises:
            ConfigError: it cannot be read, or is of another run or of other networks.
        """
        path = self.config.out / LAST
        if not path.exists():
            return
        state = load_state(path)
        kept = state.get("config", {})
        require_same_run(self.config, kept)
        try:
            self.model.load_state_dict(state["model"])
            self.average.model.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f"{path}: expected networks as `model` or `init` say, got a checkpoint of others"
            ) from error
        self.step, self.figures = state["step"], state.get("figures", {})
        self.best = state["best"] if same_measure(self.config, kept) else math.inf

    def summary(self) -> str:
        """One line for the progress bar."""
        figures = " ".join(
            f"{name} {self.figures[name]:.3f}" for name in ("coc_error_px", "abs_rel") if name in self.figures
        )
        return f"loss {float(self.last_loss):.3f} {figures}"

    def _optimise(self, pair: Pair) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config, self.step)
        self.model.train()
        if self.config.trained == "depthnet":
            _bare(self.model).get_submodule("sdnet").eval()
        terms = pair_losses(self.model, pair, self.config.losses)
        if self.config.photometric_every and self.step % self.config.photometric_every == 0:
            batch = self.fabric.to_device(next(self.photometric))
            terms.update(photometric_losses(self.model, batch, self.renderer))
        loss = total_loss(terms, self.config.losses)
        self.optimiser.zero_grad()
        self.fabric.backward(loss)
        norm = self.fabric.clip_gradients(
            self.model, self.optimiser, max_norm=self.config.gradient_clip, error_if_nonfinite=False
        )
        if norm is not None and not norm.isfinite():
            where = f"step {self.step}, supervision {self.config.supervision}"
            raise ConfigError(f"{where}: expected finite losses and gradients, got {not_finite(terms)}")
        self.optimiser.step()
        self.average.update(_bare(self.model), self.step)
        self.last_loss = loss.detach()
        if self.step % 50 == 0:
            self.fabric.log_dict({f"train/{name}": float(term.detach()) for name, term in terms.items()}, self.step)

    def _keep_snapshot(self) -> None:
        if self.fabric.is_global_zero:
            path = self.config.out / f"average-{self.step:07d}.safetensors"
            save_weights(path, self.average.model, self.average.model.options, half=True)

    def _validate(self) -> None:
        self.figures = validate(self.average.model, self.batches, self.config)
        if self.fabric.is_global_zero:
            path = self.config.out / VALIDATIONS
            with writable(path), path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": self.step, "time_s": round(time.time(), 1), **self.figures}) + "\n")
        self.fabric.log_dict({f"validation/{name}": value for name, value in self.figures.items()}, self.step)
        self._show()
        score = self.figures["sdnet"] + self.figures["depthnet"]
        if score < self.best and self.fabric.is_global_zero:
            self.best = score
            save_weights(self.config.out / BEST, self.average.model, self.average.model.options)

    def _show(self) -> None:
        if self.fabric.is_global_zero:
            picture = panel(self.average.model, self.batches[0])
            board: Any = self.fabric.logger.experiment  # type: ignore[attr-defined]  # TensorBoard's writer
            board.add_image("validation/panel", picture, self.step, dataformats="HWC")

    def _save(self) -> None:
        if not self.fabric.is_global_zero:
            return
        state: dict[str, Any] = {"model": _bare(self.model).state_dict(), "average": self.average.model.state_dict()}
        state.update(optimiser=self.optimiser.state_dict(), step=self.step, best=self.best)
        state.update(figures=self.figures, config=settings_of(self.config))
        save_state(self.config.out / LAST, state)


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, constant, linear cool-down to zero over the last `cooldown_steps`."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    cool = min(1.0, (config.steps - step) / max(1, config.cooldown_steps))
    return config.learning_rate * warm * cool


def _start(config: TrainConfig) -> DefocusModel:
    if config.init is None:
        return DefocusModel(config.model)
    return load_weights(RELEASED_WEIGHTS if config.init == "released" else Path(config.init))


def _launch(config: TrainConfig) -> Fabric:
    devices = int(os.environ.get("LOCAL_WORLD_SIZE", config.devices))  # torchrun has started them already
    try:
        fabric = Fabric(
            accelerator=config.accelerator,
            devices=devices,
            num_nodes=int(os.environ.get("GROUP_WORLD_SIZE", config.nodes)),
            precision=config.precision,
            loggers=TensorBoardLogger(config.out, name="tensorboard", version=""),
        )
    except (RuntimeError, MisconfigurationException) as error:
        wanted = f"accelerator {config.accelerator} and {devices} devices"
        raise ConfigError(f"{wanted}: expected what this machine has, got: {error}") from error
    fabric.launch()
    torch.backends.cudnn.benchmark = True  # crops have one size
    torch.set_float32_matmul_precision("high")
    return fabric


def _streams(fabric: Fabric, config: TrainConfig, step: int) -> tuple[Iterator[Pair], Iterator[PhotometricPair]]:
    """Batches of pairs and of photometric pairs from `step` on; every process has its own."""
    seed = config.seed + 1000 * fabric.global_rank + 7 * step
    if config.crops_on == "device" or (config.crops_on == "auto" and config.pool and fabric.device.type == "cuda"):
        return _device_streams(fabric.device, config, seed)
    photometric = PhotometricPairs(shard_source(config), config.supervision, seed, config.crops, config.augment)
    pairs = PairStream(shard_source(config), config.supervision, seed, config.crops, config.augment)
    loader = DataLoader(
        pairs, config.pairs_per_step, num_workers=config.workers, prefetch_factor=6 if config.workers else None
    )
    batches = photometric.batches(config.photometric_pairs, seed + PHOTOMETRIC_SEED)
    return (fabric.to_device(pair) for pair in _loaded(loader)), batches


def _loaded(loader: DataLoader[Pair]) -> Iterator[Pair]:
    """The loader's batches; what data processes refuse, without the traceback that torch puts before it."""
    try:
        yield from loader
    except ConfigError as error:
        said = str(error).splitlines()[-1]
        raise ConfigError(said.removeprefix(f"{ConfigError.__module__}.{ConfigError.__name__}: ")) from error


def _device_streams(
    device: torch.device, config: TrainConfig, seed: int
) -> tuple[Iterator[Pair], Iterator[PhotometricPair]]:
    assert config.pool is not None  # TrainConfig refuses it
    bank = StackBank(config.pool, config.held_out_shards, config.supervision, config.bank_stacks, device)
    pairs, photometric = (DevicePairs(bank, config.crops, config.augment, at) for at in (seed, seed + PHOTOMETRIC_SEED))
    return pairs.batches(config.pairs_per_step), photometric.photometric_batches(config.photometric_pairs)


def _bare(model: nn.Module) -> nn.Module:
    """The model inside Fabric's (and DistributedDataParallel's) wrapping."""
    return getattr(model, "module", model)


def _progress(fabric: Fabric) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}"),
    )
    return Progress(*columns, disable=not fabric.is_global_zero)
