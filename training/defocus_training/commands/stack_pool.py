"""`defocus_training stack-pool`: a training pool from the user's own focal stacks, for refining."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.progress import track
from tyro.conf import OmitArgPrefixes, Positional

from defocus_depth.commands.dispatch import EXIT_OK
from defocus_depth.evaluation.outputs import OutputNames
from defocus_training.commands.fit import CHECKPOINT_FILE, stack_paths
from defocus_training.fitting.options import FitOptions


@dataclass(frozen=True)
class Options:
    """Fit stacks (or go on from their fits) and write crops of them, with the fit's depth as target, as a pool."""

    stacks: Positional[tuple[Path, ...]]
    """Focal-stack folders, or folders of them; their frames must be larger than 176x176 px at working size."""
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
    from defocus_training.fitting.stack_pool import stack_shard, write_stack_pool

    names, shards, console = OutputNames(), [], Console(stderr=True)
    for path in track(stack_paths(options.stacks), "fitting", console=console, transient=True):
        checkpoint = options.fits / names.take(path.resolve().name) / CHECKPOINT_FILE
        shards.append(stack_shard(fit_capture(read_capture(path), options.fit, options.leave_out, checkpoint)))
    held_out = write_stack_pool(options.out, shards)
    console.print(
        f"pool of {sum(len(shard.frames) for shard in shards)} crops in {options.out}; refine with: defocus_training "
        f"train config/training/self.yaml --set init=released pool={options.out} held_out_shards={held_out}",
        soft_wrap=True,
    )
    return EXIT_OK
