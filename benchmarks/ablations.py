"""What each part of the training is worth: short runs that differ in one thing, from the same start and data.

    python benchmarks/ablations.py POOL STACKS --out runs/ablations --steps 1000 --json docs/results/ablations.json

Every run starts from random weights with the same seed, sees the same number of images and is scored on STACKS (single
image, nearest focus). Finished runs are kept: calling again goes on with what is missing. Short runs rank choices; they
do not show what a long training reaches.
"""

from __future__ import annotations

import json as json_module
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.progress import track
from scoring import score_weights

from defocus_depth.commands.dispatch import write_json
from defocus_training.export import ModelCard
from defocus_training.networks import DefocusModel
from defocus_training.train.checkpoints import LAST, load_state, save_weights
from defocus_training.train.config import TrainConfig, load_config
from defocus_training.train.loop import train

NARROW = "augment.tone=0 augment.softness=0 augment.jpeg=0 augment.demosaic=0"
ABLATIONS: Mapping[str, str] = {
    "as released": "",
    "as released, second seed": "seed=1",
    "as released, third seed": "seed=2",
    "exact depth for targets (supervised twin)": "supervision=truth",
    "without the likelihood of |CoC|": "losses.sdnet=0",
    "without the likelihood of depth": "losses.depthnet=0",
    "without the defocus loss": "losses.defocus=0",
    "without the blur loss": "losses.blur=0",
    "without the reconstruction loss": "losses.reconstruction=0",
    "without smoothness": "losses.smoothness=0",
    "plain re-blur for the renderer": "photometric_renderer=reblur",
    "one frame per stack (not Siamese)": "crops.siamese=false losses.defocus=0",
    "lens hidden from DepthNet": "model.lens_conditioning=false",
    "half as wide": "model.sdnet_widths=[16,32,64,96] model.depthnet_widths=[12,24,40,52]",
    "half as wide again": "model.sdnet_widths=[8,16,32,48] model.depthnet_widths=[8,12,20,26]",
    "one and a half times as wide": "model.sdnet_widths=[48,96,192,288] model.depthnet_widths=[36,72,120,156]",
    "without noise in augmentation": "augment.noise=0",
    "narrow augmentation (noise and motion only)": NARROW,
    "without resampling": "augment.rescale=[1.0,1.0]",
}


@dataclass(frozen=True)
class Options:
    """Train and score every variant."""

    pool: tyro.conf.Positional[Path]
    """Stack pool (`defocus_training pool`)."""
    stacks: tyro.conf.Positional[Path]
    """Folder of focal stacks with ground truth to score on."""
    out: Path
    """Folder of the runs."""
    steps: int = 1000
    """Optimiser steps per run."""
    pairs_per_step: int = 8
    """Pairs of crops per step."""
    only: tuple[str, ...] = ()
    """Names of variants; all if not given."""
    json: Path | None = None
    """Write the figures to this file."""


def main(options: Options) -> None:
    """Run what is missing and print the table's data."""
    chosen = {name: text for name, text in ABLATIONS.items() if not options.only or name in options.only}
    results = [_variant(options, name, text.split()) for name, text in track(chosen.items(), "ablations")]
    figures = {
        "steps": options.steps,
        "images": 2 * options.steps * options.pairs_per_step,
        "stacks": options.stacks.name,
        "variants": results,
    }
    write_json(options.json, figures)
    Console().print_json(json_module.dumps(figures))


def _variant(options: Options, name: str, overrides: list[str]) -> dict[str, Any]:
    folder = options.out / name.translate(str.maketrans(" |(),", "_____"))
    done = folder / "figures.json"
    if not done.exists():
        config = _config(options, folder, overrides)
        train(config)
        write_json(done, _score(config, options.stacks))
    return {"name": name, "overrides": overrides, **json_module.loads(done.read_text(encoding="utf-8"))}


def _config(options: Options, folder: Path, overrides: list[str]) -> TrainConfig:
    base = [
        f"out={folder}",
        f"pool={options.pool}",
        f"steps={options.steps}",
        f"pairs_per_step={options.pairs_per_step}",
        f"cooldown_steps={options.steps // 2}",
        f"validate_every={options.steps}",
        "ema_decay=0.98",
        "photometric_every=8",
    ]
    root = Path(__file__).resolve().parents[1]
    return load_config(root / "config/training/self.yaml", [*base, *overrides])


def _score(config: TrainConfig, stacks: Path) -> dict[str, float]:
    """Figures of the averaged weights on `stacks`."""
    card = ModelCard(config.supervision, "a short run of benchmarks/ablations.py", {})
    return score_weights(_averaged(config), card, stacks)


def _averaged(config: TrainConfig) -> Path:
    model = DefocusModel(config.model)
    model.load_state_dict(load_state(config.out / LAST)["average"])
    path = config.out / "last.safetensors"
    save_weights(path, model, config.model)
    return path


if __name__ == "__main__":
    main(tyro.cli(Options))
