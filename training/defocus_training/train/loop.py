"""The training loop: read it from `train` down."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import torch
from lightning.fabric import Fabric
from lightning.fabric.loggers.tensorboard import TensorBoardLogger
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.utils.data import DataLoader

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
from .step import pair_losses, total_loss
from .validation import validate, validation_batches

PHOTOMETRIC_SEED = 77
VALIDATIONS = "validations.jsonl"
SHOW_EVERY = 10
"""Steps between looks at the loss: each makes the host wait for the device."""
RELEASED_WEIGHTS = RELEASED_MODEL.with_suffix(".safetensors")


def train(config: TrainConfig) -> dict[str, float]:
    """Train to the configured number of steps, resuming from `out/last.ckpt`; returns the last validation figures."""
    cv2.setNumThreads(1)  # its pool of threads does not survive the fork of the data workers: they would wait for ever
    fabric = _launch(config)
    run = _Run(fabric, config)
    run.resume()
    stream, run.photometric = _streams(fabric, config, run.step)
    with _progress(fabric) as progress:
        task = progress.add_task("training", total=config.steps, completed=run.step, figures="")
        while run.step < config.steps:
            run.advance(next(stream))
            if run.step % SHOW_EVERY == 0 or run.step == config.steps:
                progress.update(task, completed=run.step, figures=run.summary())
    return run.figures


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
        self.best = float("inf")
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
        """Take up the last checkpoint, if there is one."""
        path = self.config.out / LAST
        if not path.exists():
            return
        state = load_state(path)
        self.model.load_state_dict(state["model"])
        self.average.model.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.best = state["step"], state["best"]

    def summary(self) -> str:
        """One line for the progress bar."""
        figures = " ".join(f"{name} {self.figures[name]:.3f}" for name in ("coc_error_px", "abs_rel") if self.figures)
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
        self.fabric.clip_gradients(self.model, self.optimiser, max_norm=self.config.gradient_clip)
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
    logger = TensorBoardLogger(config.out, name="tensorboard", version="")
    fabric = Fabric(
        accelerator=config.accelerator,
        devices=int(os.environ.get("LOCAL_WORLD_SIZE", config.devices)),  # torchrun has started them already
        num_nodes=int(os.environ.get("GROUP_WORLD_SIZE", config.nodes)),
        precision=config.precision,
        loggers=logger,
    )
    fabric.launch()
    torch.backends.cudnn.benchmark = True  # crops have one size
    torch.set_float32_matmul_precision("high")
    if fabric.is_global_zero:
        describe_run(config.out, config)
    return fabric


def _streams(fabric: Fabric, config: TrainConfig, step: int) -> tuple[Iterator[Pair], Iterator[PhotometricPair]]:
    """Batches of pairs and of photometric pairs from `step` on; every process has its own."""
    seed = config.seed + 1000 * fabric.global_rank
    if config.crops_on == "device" or (config.crops_on == "auto" and config.pool and fabric.device.type == "cuda"):
        return _device_streams(fabric.device, config, seed + 7 * step)
    photometric = PhotometricPairs(shard_source(config), config.supervision, seed, config.crops, config.augment)
    pairs = PairStream(shard_source(config), config.supervision, seed + 7 * step, config.crops, config.augment)
    loader = DataLoader(
        pairs, config.pairs_per_step, num_workers=config.workers, prefetch_factor=6 if config.workers else None
    )
    batches = photometric.batches(config.photometric_pairs, seed + PHOTOMETRIC_SEED)
    return (fabric.to_device(pair) for pair in loader), batches


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
