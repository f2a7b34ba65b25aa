"""`defocus_training stack-pool`: a training pool from the user's own focal stacks, for refining."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.console import Console
from rich.progress import track
from tyro.conf import OmitArgPrefixes, Positional

from defocus_depth.commands.dispatch import EXIT_OK
from defocus_depth.evaluation.outputs import OutputNames
from defocus_training.commands.fit import CHECKPOINT_FILE, stack_paths
from defocus_training.fitting.options import FitOptions

if TYPE_CHECKING:
    from defocus_training.fitting.judge import Fit

REFINE = "defocus_training train refine --set pool={pool} held_out_shards={held_out}"


@dataclass(frozen=True)
class Options:
    """Fit stacks (or go on from their fits) and write crops of them, with the fit's depth as target, as a pool."""

    stacks: Positional[tuple[Path, ...]]
    """Focal-stack folders, or folders of them, of at least 176x176 px at working size. Every fourth stack is held out
    for validation; of fewer than four, a strip of each: they must be 64 px longer."""
    out: Path
    """Folder of the pool."""
    fits: Path
    """Folder that holds the fits, as `fit --out`; what is not fitted yet is fitted here."""
    leave_out: tuple[int, ...] = ()
    """Frames, from 0 = nearest focus, that neither the fit nor the training sees; as for `fit`."""
    fit: Annotated[FitOptions, OmitArgPrefixes] = FitOptions()


def run(options: Options) -> int:
    """Fit, crop, write."""
    from defocus_training.fitting.capture import read_capture
    from defocus_training.fitting.fit import fit_capture
    from defocus_training.fitting.stack_pool import divided, require_no_pool, write_stack_pool

    require_no_pool(options.out)  # fits take long
    names, console, paths = OutputNames(), Console(stderr=True), stack_paths(options.stacks)

    def fitted(path: Path) -> Fit:
        checkpoint = options.fits / names.take(path.resolve().name) / CHECKPOINT_FILE
        return fit_capture(read_capture(path), options.fit, options.leave_out, checkpoint)

    fits = map(fitted, track(paths, "fitting", console=console, transient=True))
    held_out, training = divided(fits, len(paths))
    write_stack_pool(options.out, held_out, training)
    console.print(
        f"pool of {sum(len(shard.frames) for shard in held_out + training)} crops in {options.out}; refine with: "
        f"{REFINE.format(pool=options.out, held_out=len(held_out))}",
        soft_wrap=True,
    )
    return EXIT_OK
