"""`defocus_training train`: SDNet and DepthNet from a pool of stacks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from defocus_depth.commands.dispatch import EXIT_OK, write_json
from defocus_training.train.config import TrainConfig, find_config, load_config

if TYPE_CHECKING:
    from defocus_training.train.loop import Trained


@dataclass(frozen=True)
class Options:
    """Train as a YAML file says; resumes from the checkpoint in its `out` folder."""

    config: tyro.conf.Positional[str]
    """Configuration YAML, or the name of one in config/training: self (from scratch), refine (from the released model,
    on your own stacks), released (how that was made)."""
    overrides: Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="KEY=VALUE")] = field(default=())
    """Values that override the file's, dotted keys: --set steps=2000 losses.defocus=0.2"""
    json: Path | None = None
    """Write the last validation figures here."""


def run(options: Options) -> int:
    """Train and report the last validation figures."""
    from defocus_training.train.loop import train

    config = load_config(find_config(options.config), options.overrides)
    trained = train(config)
    if trained.reports:
        Console(stderr=True).print(_told(config, trained), soft_wrap=True)
        write_json(options.json, trained.figures)
    return EXIT_OK


def _told(config: TrainConfig, trained: Trained) -> str:
    figures = ", ".join(f"{name} {value:.4g}" for name, value in trained.figures.items())
    if trained.new_steps:
        return f"trained {trained.new_steps} steps, {trained.step} in all: {figures}"
    done = f"{config.out} is at step {trained.step} already: to go on raise steps, to begin anew choose another out"
    return f"{done}; its last validation: {figures}" if figures else done
