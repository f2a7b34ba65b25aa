"""`defocus_training import-stack`: a focal-stack folder from pictures whose focus distances are unknown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console
from tyro.conf import OmitArgPrefixes, Positional

from defocus_depth.commands.dispatch import EXIT_OK
from defocus_training.fitting.pictures import ImportOptions, import_pictures


@dataclass(frozen=True)
class Options:
    """Pictures of one focus sweep in, sorted by name; a stack with relative focus (not metric) out."""

    pictures: Positional[Path]
    """Folder of the pictures."""
    out: Positional[Path]
    """Folder of the stack to write."""
    how: Annotated[ImportOptions, OmitArgPrefixes] = ImportOptions()


def run(options: Options) -> int:
    """Write the stack."""
    stack = import_pictures(options.pictures, options.out, options.how)
    camera = stack.camera
    Console(stderr=True).print(f"{len(stack.frames)} frames of {camera.width}x{camera.height} in {options.out}")
    return EXIT_OK
