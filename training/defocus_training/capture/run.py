"""A capture session at a terminal: progress and questions. What `capture` and `calibrate` have in common."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from defocus_depth.errors import ConfigError
from defocus_depth.types import FocalStack, ImageArray

from .devices import CaptureRig
from .journal import TakenFrame
from .scene import SceneRecipe
from .session import SessionHooks, capture_session


@dataclass(frozen=True)
class RunOptions:
    """How a session is run.

    Attributes:
        scenes: that the folder shall hold.
        pause_s: time before each scene; None: until Enter is pressed.
        tasks: what the person does before each scene; empty: move the robot.
        on_stack: called with each new stack.

    Raises:
        ConfigError: a pause that is no time.
    """

    out: Path
    scenes: int
    pause_s: float | None = None
    tasks: tuple[str, ...] = ()
    on_stack: Callable[[FocalStack], None] = lambda stack: None

    def __post_init__(self) -> None:
        if self.pause_s is not None and not 0 <= self.pause_s < math.inf:
            raise ConfigError(f"--pause-s: expected ≥ 0, got {self.pause_s}")

    def task(self, number: int) -> str:
        """What the person does before scene `number`."""
        return self.tasks[number] if self.tasks else "move the robot"


def run_session(console: Console, rig: CaptureRig, recipe: SceneRecipe, options: RunOptions) -> list[FocalStack]:
    """Take the scenes that are missing, and say so; the new stacks.

    Raises:
        ConfigError: there is neither a terminal nor a pause.
        DeviceError, StackError: see `capture_session`.
    """
    stacks = []
    if str(recipe.source.get("camera", "")).startswith("nominal"):
        console.print("camera: no calibrated camera_info and none in the lens file: the stacks get nominal intrinsics")
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("focus steps", total=len(recipe.steps))

        def before_scene(number: int, name: str) -> None:
            progress.stop()
            _ask(console, options, number, name)
            progress.start()

        def on_frame(frame: TakenFrame, pixels: ImageArray) -> None:
            progress.update(bar, completed=frame.step + 1)

        for stack in capture_session(rig, recipe, options.out, options.scenes, SessionHooks(before_scene, on_frame)):
            stacks.append(stack)
            flags = sorted({flag for frame in stack.frames for flag in frame.flags})
            said = f", flagged: {', '.join(flags)}" if flags else ""
            console.print(f"{stack.path}: {len(stack.frames)} frames{said}")
            options.on_stack(stack)
    if not stacks:
        console.print(f"{options.out}: holds {options.scenes} scenes already, as asked for; nothing was taken")
    return stacks


def _ask(console: Console, options: RunOptions, number: int, name: str) -> None:
    if options.pause_s is not None:
        console.print(f"{name}: {options.task(number)}, {options.pause_s:g} s")
        time.sleep(options.pause_s)
    elif sys.stdin.isatty():
        console.input(f"{name}: {options.task(number)}, then press Enter: ")
    elif number > 0 or options.tasks:
        raise ConfigError(f"--pause-s: expected a time to {options.task(number)}, as there is no terminal to ask at")
