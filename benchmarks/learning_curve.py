"""What more training brings: snapshots of one run, scored on stacks with exact depth.

    python benchmarks/learning_curve.py STACKS 41000:a.safetensors 52000:b.safetensors --images-per-step 20 \\
        --text "..." --json docs/results/learning_curve.json

The figures are only looked at; which snapshot is released is decided without labels (`real_stacks.py`).
"""

from __future__ import annotations

import json as json_module
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console
from rich.progress import track
from scoring import score_weights

from defocus_depth.commands.dispatch import write_json
from defocus_training.export import ModelCard

CARD = ModelCard("self", "a snapshot of a training run", {})


@dataclass(frozen=True)
class Options:
    """Score every snapshot."""

    stacks: tyro.conf.Positional[Path]
    """Folder of focal stacks with ground truth."""
    snapshots: tyro.conf.Positional[tuple[str, ...]]
    """STEPS:WEIGHTS, the optimiser's steps so far and averaged weights (safetensors)."""
    images_per_step: int
    """Crops that one step sees."""
    text: str
    """One paragraph for docs/results.md: which run this was."""
    json: Path | None = None
    """Write the figures to this file."""


def main(options: Options) -> None:
    """Score in the order given and print the points."""
    points = []
    for snapshot in track(options.snapshots, "snapshots", console=Console(stderr=True)):
        steps, _, weights = snapshot.partition(":")
        figures = score_weights(Path(weights), CARD, options.stacks)
        points.append({"images": int(steps) * options.images_per_step, **figures})
    result = {"text": options.text, "stacks": options.stacks.name, "points": points}
    write_json(options.json, result)
    Console().print_json(json_module.dumps(result))


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
