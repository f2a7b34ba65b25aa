"""`defocus_training capture`: focal stacks from the robot's own camera; run again, it goes on where it ended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated

from rich.console import Console
from tyro.conf import OmitArgPrefixes

from defocus_depth.commands.dispatch import EXIT_OK, write_json
from defocus_depth.errors import ConfigError
from defocus_depth.optics.lens_file import find_lens, read_lens
from defocus_depth.stacks import read_stack
from defocus_depth.stacks.schema import STACK_FILE
from defocus_depth.types import FocalStack, Transfer

from ..capture.bag import write_stack_bag
from ..capture.drivers.opening import open_rig
from ..capture.drivers.options import DeviceOptions
from ..capture.plan import SweepRequest
from ..capture.recipe import CaptureRequest, make_recipe
from ..capture.run import RunOptions, run_session
from ..capture.step import StepOptions


@dataclass(frozen=True, kw_only=True)
class Options(DeviceOptions):
    """What is captured, with what, and where to."""

    out: Path
    """Folder of the session: one stack folder per scene, and coverage.png, the live picture of what was in focus."""
    lens: str | None = None
    """Lens YAML with a focus_curve, as `calibrate` writes it, or the name of one in config/lenses; without one stacks
    have no focus distances."""
    scenes: int = 1
    """Number of scenes that the folder shall hold; those that are already there count."""
    pause_s: float | None = None
    """Time (s) to move the robot before each scene; if not given, press Enter."""
    temperature_c: float | None = None
    """Temperature of the lens (degrees Celsius), written into the stacks."""
    transfer: Transfer | None = None
    """Transfer function of the camera's values; if not given, linear for mono16 and Bayer pictures, else srgb."""
    bag: bool = False
    """Also write each stack as a rosbag, NAME.mcap beside its folder, when it is finished; stacks that are already
    there get theirs, too."""
    sweep: Annotated[SweepRequest, OmitArgPrefixes] = field(default_factory=SweepRequest)
    step: Annotated[StepOptions, OmitArgPrefixes] = field(default_factory=StepOptions)
    json: Path | None = None
    """Write what was captured to this file."""


def run(options: Options) -> int:
    """Capture the scenes that are still missing."""
    if options.scenes < 1:
        raise ConfigError(f"--scenes: expected ≥ 1, got {options.scenes}")
    console = Console(stderr=True)
    session = RunOptions(options.out, options.scenes, options.pause_s)
    if options.bag:
        _write_missing_bags(console, options.out)
        session = replace(session, on_stack=partial(_write_bag, console))
    with open_rig(options) as rig:
        recipe = make_recipe(rig, _request(options))
        stacks = run_session(console, rig, recipe, session)
    write_json(options.json, {"stacks": [_summary(stack) for stack in stacks], "folder": str(options.out)})
    return EXIT_OK


def _write_missing_bags(console: Console, folder: Path) -> None:
    for file in sorted(folder.glob(f"*/{STACK_FILE}")):
        if not _bag_path(file.parent).exists():
            _write_bag(console, read_stack(file.parent))


def _write_bag(console: Console, stack: FocalStack) -> None:
    path = _bag_path(stack.path)
    write_stack_bag(path, stack)
    console.print(str(path))


def _bag_path(stack: Path) -> Path:
    return stack.with_suffix(".mcap")


def _request(options: Options) -> CaptureRequest:
    lens_file = read_lens(find_lens(options.lens)) if options.lens else None
    source = {"driver": options.driver}
    return CaptureRequest(options.sweep, options.step, lens_file, options.transfer, options.temperature_c, source)


def _summary(stack: FocalStack) -> dict[str, object]:
    return {
        "path": str(stack.path),
        "metric": stack.metric,
        "frames": len(stack.frames),
        "flags": {frame.file: list(frame.flags) for frame in stack.frames if frame.flags},
    }
