"""`defocus_training train`: SDNet and DepthNet from a pool of stacks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from defocus_depth.commands.dispatch import write_json
from defocus_training.train.config import load_config


@dataclass(frozen=True)
class Options:
    """Train as a YAML file says; resumes from the checkpoint in its `out` folder."""

    config: tyro.conf.Positional[Path]
    """Configuration (see config/training/*.yaml)."""
    overrides: Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="KEY=VALUE")] = field(default=())
    """Values that override the file's, dotted keys: --set steps=2000 losses.defocus=0.2"""
    json: Path | None = None
    """Write the last validation figures here."""


def run(options: Options) -> int:
    """Train and report the last validation figures."""
    from defocus_training.train.loop import train

    config = load_config(options.config, options.overrides)
    figures = train(config)
    Console(stderr=True).print(
        f"trained {config.steps} steps: " + ", ".join(f"{k} {v:.4g}" for k, v in figures.items())
    )
    write_json(options.json, figures)
    return 0
