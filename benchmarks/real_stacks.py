"""Networks on real stacks without any label: PSNR of frames left out, rendered from each network's depth.

    python benchmarks/real_stacks.py STACK... --fits FITS --leave-out 2 --weights before.safetensors after.safetensors

Each network sees the frame of nearest focus alone. Its depth gets the colours that explain the other fitted frames
best, and the frames left out are rendered from both. Beside it: the fit itself, a flat scene, and the linear
interpolation of the neighbouring frames.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from defocus_depth.commands.dispatch import write_json
from defocus_depth.errors import DefocusDepthError
from defocus_depth.types import FloatArray
from defocus_training.commands.fit import CHECKPOINT_FILE, stack_paths
from defocus_training.fitting.capture import read_capture
from defocus_training.fitting.fit import score_depth
from defocus_training.fitting.judge import Fit
from defocus_training.fitting.network_depth import network_inverse_depth
from defocus_training.fitting.options import FitOptions
from defocus_training.train.checkpoints import load_weights


@dataclass(frozen=True)
class Options:
    """Which stacks, and whose depth."""

    stacks: tyro.conf.Positional[tuple[Path, ...]]
    """Focal-stack folders, or folders of them."""
    fits: Path
    """Folder that holds the fits, as `defocus_training fit --out`; what is not fitted yet is fitted here."""
    leave_out: tuple[int, ...]
    """Frames, from 0 = nearest focus, that neither the fit nor the training has seen."""
    weights: tuple[Path, ...] = ()
    """Networks (safetensors)."""
    json: Path | None = None
    """Write the figures to this file."""


def run(options: Options) -> None:
    """Score every depth on every stack."""
    rows = {
        path.name: _scores(path, options)
        for path in track(stack_paths(options.stacks), "stacks", console=Console(stderr=True), transient=True)
    }
    write_json(options.json, rows)
    names = list(next(iter(rows.values())))
    table = Table("stack", *names, title=f"PSNR (dB) of frames {options.leave_out}, left out")
    for stack, scores in rows.items():
        table.add_row(stack, *(f"{scores[name]:.2f}" for name in names))
    Console().print(table)


def _scores(path: Path, options: Options) -> dict[str, float]:
    capture, checkpoint = read_capture(path), options.fits / path.name / CHECKPOINT_FILE
    scores = {}
    for name, depth_of in _depths(options).items():
        held_out = score_depth(capture, FitOptions(), options.leave_out, checkpoint, depth_of)
        scores[name] = float(np.mean([one.psnr_db for one in held_out]))
        scores["interpolated"] = float(np.mean([one.interpolated_psnr_db for one in held_out]))
    return scores


def _depths(options: Options) -> dict[str, Callable[[Fit], FloatArray]]:
    depths: dict[str, Callable[[Fit], FloatArray]] = {"fit": lambda fit: fit.inverse_depth, "flat": _flat}
    for path in options.weights:
        model = load_weights(path)
        depths[path.parent.name + "/" + path.stem] = lambda fit, model=model: network_inverse_depth(model, fit)
    return depths


def _flat(fit: Fit) -> FloatArray:
    return np.full_like(fit.inverse_depth, np.median(fit.inverse_depth))


def main() -> int:
    """Exit code 0, or 2 after one line about bad input."""
    try:
        run(tyro.cli(Options, description=__doc__))
    except DefocusDepthError as error:
        print(f"real_stacks: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
