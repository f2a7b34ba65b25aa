"""`defocus_training average`: between two models of one training, the robustness of one and the skill of the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from defocus_depth.commands.dispatch import EXIT_OK
from defocus_depth.errors import ConfigError


@dataclass(frozen=True)
class Options:
    """Average the weights of a model and of one that was trained on from it.

    Trained on a new mix of scenes, networks gain there and lose a little elsewhere; half way between, they keep most of
    both (Wortsman et al., arXiv 2109.01903). Weights of unrelated trainings must not be averaged.
    """

    start: tyro.conf.Positional[Path]
    """Weights (safetensors) that training started from."""
    end: tyro.conf.Positional[Path]
    """Weights that it led to."""
    out: Path
    """File to write (safetensors)."""
    share: float = 0.5
    """Of `end` in the result, 0..1."""
    depthnet_share: Annotated[float | None, tyro.conf.arg(metavar="FLOAT")] = None
    """The same for DepthNet alone, where it is to differ."""


def run(options: Options) -> int:
    """Average and write."""
    from defocus_training.train.checkpoints import average_weights, load_weights, save_weights

    depthnet_share = options.share if options.depthnet_share is None else options.depthnet_share
    for name, share in (("--share", options.share), ("--depthnet-share", depthnet_share)):
        if not 0 <= share <= 1:
            raise ConfigError(f"{name}: expected 0..1, got {share}")
    model = average_weights(load_weights(options.start), load_weights(options.end), options.share, depthnet_share)
    save_weights(options.out, model, model.options)
    Console(stderr=True).print(f"wrote {options.out}: {options.share:g} of {options.end}, DepthNet {depthnet_share:g}")
    return EXIT_OK
