"""`defocus_training fit`: Gaussians, depth and an all-in-focus picture of focal stacks, without labels."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table
from tyro.conf import OmitArgPrefixes, Positional

from defocus_depth.commands.dispatch import EXIT_BAD_INPUT, EXIT_OK, write_json
from defocus_depth.errors import ConfigError, DefocusDepthError, ImageError, StackError
from defocus_depth.evaluation.outputs import OutputNames
from defocus_depth.stacks import find_stacks
from defocus_depth.types import FocalStack
from defocus_training.fitting.options import FitOptions

if TYPE_CHECKING:
    from defocus_training.fitting.outputs import FitMaps

_LOG = logging.getLogger(__name__)
FIGURES_FILE, CHECKPOINT_FILE = "fit.json", "checkpoint.npz"
TRUTH_FIGURES = ("abs_rel", "delta1", "abs_rel_textured", "delta1_textured", "textured_fraction")


@dataclass(frozen=True)
class Options:
    """Fit focal stacks; a stack that was interrupted goes on where it stood, a finished one is only written anew."""

    stacks: Positional[tuple[Path, ...]]
    """Focal-stack folders, or folders of them."""
    out: Path
    """Folder that gets one folder per stack."""
    leave_out: tuple[int, ...] = ()
    """Frames, from 0 = nearest focus, that are not fitted but predicted, and compared with the real ones."""
    fit: Annotated[FitOptions, OmitArgPrefixes] = FitOptions()
    json: Path | None = None
    """Write the figures of all stacks to this file."""


def run(options: Options) -> int:
    """Fit every stack, write its files, print the table; stacks that cannot be fitted are told at the end."""
    console = Console(stderr=True, markup=False, highlight=False)
    entries, refused = _fit_all(options, console)
    if not entries and len(refused) == 1:
        raise refused[0][1]
    figures = {**summary(entries), "stacks": entries}
    write_json(options.json, figures)
    Console(markup=False, highlight=False).print(_table(figures))
    console.print(f"fits: {options.out}")
    for path, error in refused:
        console.print(f"{path.name} not fitted: {error}", soft_wrap=True)
    return EXIT_BAD_INPUT if refused else EXIT_OK


def _fit_all(options: Options, console: Console) -> tuple[list[dict[str, Any]], list[tuple[Path, DefocusDepthError]]]:
    """Figures of the stacks that could be fitted, and why the others could not."""
    paths, names = stack_paths(options.stacks), OutputNames()
    entries: list[dict[str, Any]] = []
    refused: list[tuple[Path, DefocusDepthError]] = []
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("fitting", total=len(paths))
        for number, path in enumerate(paths):
            tick = partial(_show, progress, task, number)
            try:
                entries.append(_fit_one(options, path, options.out / names.take(path.resolve().name), tick))
            except DefocusDepthError as error:
                refused.append((path, error))
    return entries, refused


def _show(progress: Progress, task: TaskID, number: int, share: float) -> None:
    progress.update(task, completed=number + share)


def stack_paths(folders: Sequence[Path]) -> list[Path]:
    """Every stack in the folders.

    Raises:
        StackError: not a folder.
        ConfigError: no stack at all.
    """
    paths = [path for folder in folders for path in find_stacks(folder)]
    if not paths:
        raise ConfigError(f"expected focal stacks, got none in {', '.join(map(str, folders))}")
    return paths


def _fit_one(options: Options, path: Path, folder: Path, tick: Callable[[float], None]) -> dict[str, Any]:
    from defocus_training.fitting.capture import read_capture
    from defocus_training.fitting.figures import fit_figures
    from defocus_training.fitting.fit import fit_capture
    from defocus_training.fitting.outputs import full_size_maps, write_fit

    started = time.process_time()
    capture = read_capture(path)
    fit = fit_capture(capture, options.fit, options.leave_out, folder / CHECKPOINT_FILE, tick)
    maps = full_size_maps(fit)
    write_fit(folder, fit, maps)
    figures = {
        **fit_figures(fit),
        "cpu_seconds": round(time.process_time() - started, 1),
        "truth": _against_truth(capture.stack, maps),
    }
    write_json(folder / FIGURES_FILE, figures)
    return figures


def _against_truth(stack: FocalStack, maps: FitMaps) -> dict[str, float] | None:
    """Figures where there is truth. It is for the report alone: a fit does not fail for want of it."""
    from defocus_training.fitting.figures import truth_figures

    try:
        return truth_figures(stack, maps.depth, maps.all_in_focus)
    except (StackError, ImageError) as error:
        _LOG.warning("no figures against truth: %s", error)
        return None


def summary(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over the stacks: of the figures against truth, and of the PSNR of frames left out."""
    with_truth = [entry["truth"] for entry in entries if entry["truth"]]
    means = {name: float(np.mean([truth[name] for truth in with_truth])) for name in TRUTH_FIGURES if with_truth}
    predicted = [one for entry in entries for one in entry["held_out"]]
    for name in ("psnr_db", "interpolated_psnr_db") if predicted else ():
        means[f"held_out_{name}"] = float(np.mean([one[name] for one in predicted]))
    return means


def _table(figures: Mapping[str, Any]) -> Table:
    table = Table(caption="PSNR (dB) of fitted frames, of frames left out as rendered and as interpolated; AbsRel")
    for heading in ("stack", "fitted", "left out", "rendered", "interp.", "AbsRel", "textured", "share"):
        table.add_column(heading, justify="left" if heading == "stack" else "right")
    for entry in figures["stacks"]:
        held_out, truth = entry["held_out"], entry["truth"] or {}
        table.add_row(
            entry["name"],
            f"{entry['psnr_db']:.1f}",
            " ".join(str(one["frame"]) for one in held_out) or "-",
            " ".join(f"{one['psnr_db']:.1f}" for one in held_out) or "-",
            " ".join(f"{one['interpolated_psnr_db']:.1f}" for one in held_out) or "-",
            *(f"{truth[name]:.3f}" if truth else "-" for name in ("abs_rel", "abs_rel_textured", "textured_fraction")),
        )
    return table
