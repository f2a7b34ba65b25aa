"""`defocus_depth demo`: the whole path on this machine, from a simulated camera to depth maps, with figures."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, track
from rich.table import Table

from ..errors import ConfigError, ProcessError, RosUnavailableError
from ..inference import AUTO, BACKENDS
from .dispatch import EXIT_NEGATIVE, EXIT_OK, write_json

if TYPE_CHECKING:
    from ..ros.demo_figures import DemoFigures
    from ..ros.demo_session import Session

_REFRESH_HZ = 4  # of the progress bar: it must not disturb what is measured
_STARTING = "starting the simulated camera and the depth node"
_COMPARING = "comparing with the ground truth"
_ENOUGH = 0.975  # of the camera's frames should come out as depth maps


@dataclass(frozen=True)
class Options:
    out: Path = Path("demo_output")
    """Folder for panel.png, session.mcap and summary.json."""
    frames: int = 200
    """Frames that the simulated camera publishes."""
    rate_hz: float = 30.0
    """Frames per second (Hz)."""
    width_px: int = 640
    """Width of the images (px); they are 4:3."""
    scenes: int = 8
    """Scenes that the camera tours, 25 views of each; a first run renders them."""
    backend: str = AUTO
    """Inference backend of the depth node."""
    threads: int = 0
    """CPU threads of the backend; 0 = the library's choice."""
    json: Path | None = None
    """Also write the figures to this file."""


def run(options: Options) -> int:
    """Run, measure, show; 1 when a process failed or no depth map came."""
    _check(options)
    console = Console()
    try:
        session = _record(options, console)
        figures = _evaluate(options, session, console)
    except ProcessError as error:
        print(f"defocus_depth demo: {error}", file=sys.stderr)
        return EXIT_NEGATIVE
    _print(console, options, session, figures)
    return EXIT_OK


def _check(options: Options) -> None:
    if options.frames < 1:
        raise ConfigError(f"--frames: expected at least 1, got {options.frames}")
    if not 0.1 <= options.rate_hz <= 500:
        raise ConfigError(f"--rate-hz: expected 0.1..500, got {options.rate_hz}")
    if options.backend not in (AUTO, *BACKENDS):
        raise ConfigError(f"--backend: expected one of {', '.join((AUTO, *BACKENDS))}, got {options.backend!r}")


def _record(options: Options, console: Console) -> Session:
    from ..ros.domain import reserved_domain
    from ..ros.processes import dds_environment

    with reserved_domain() as domain, tempfile.TemporaryDirectory(prefix="defocus_depth_demo_") as folder:
        environment = dds_environment(domain, Path(folder))
        os.environ.update(environment)  # before rclpy, which reads it, is imported
        try:
            from ..ros.demo_session import SessionSettings, record_session
        except ImportError as error:
            raise RosUnavailableError(f"demo: expected rclpy, {error}: see `defocus_depth doctor`") from error
        settings = SessionSettings(
            options.frames, options.rate_hz, options.width_px, options.scenes, options.backend, options.threads
        )
        with Progress(console=console, refresh_per_second=_REFRESH_HZ, transient=True) as bar:
            task = bar.add_task(_STARTING, total=settings.frames)

            def show(received: int, camera_says: str) -> None:
                what = (
                    "depth maps received over DDS" if received else f"{_STARTING}: {camera_says.rpartition(']: ')[2]}"
                )
                bar.update(task, completed=received, description=what)

            return record_session(settings, environment, Path(folder), show)


def _evaluate(options: Options, session: Session, console: Console) -> DemoFigures:
    from ..evaluation.pictures import save_panel
    from ..evaluation.report import comparison_panels
    from ..optics.lens_file import read_lens
    from ..ros.demo_bag import write_demo_bag
    from ..ros.demo_figures import DemoFrames, demo_figures, frame_by_frame, typical
    from ..share import share_path

    frames = DemoFrames(session, read_lens(share_path("config", "lenses", "robot.yaml")).lens)
    results = frame_by_frame(frames)
    by_frame = dict(track(results, _COMPARING, total=len(frames), console=console, transient=True))
    figures = demo_figures(session, by_frame)
    pictured = frames.pictured()
    if not pictured or not math.isfinite(figures.abs_rel):
        raise ProcessError("demo: expected frames with image, valid depth and confidence, got none")
    stamp_ns = typical(by_frame, pictured)
    sample = frames.sample(stamp_ns, frames.image(stamp_ns))
    save_panel(options.out / "panel.png", comparison_panels(sample, frames.prediction(stamp_ns)))
    write_demo_bag(options.out / "session.mcap", session, pictured)
    for path in (options.out / "summary.json", options.json):
        write_json(path, dataclasses.asdict(figures))
    return figures


def _print(console: Console, options: Options, session: Session, figures: DemoFigures) -> None:
    table = Table(title="one defocused image in, metric depth out")
    table.add_column("figure")
    table.add_column("value", justify="right")
    rows = {
        "frames published by the camera": f"{figures.frames_in}",
        "depth maps received by a third process": f"{figures.frames_out}",
        "dropped": f"{figures.dropped}",
        "depth maps per second": f"{figures.fps:.1f}",
        "latency, image stamp to depth received: median": f"{figures.latency_ms_median:.1f} ms",
        "latency: 95 % below": f"{figures.latency_ms_p95:.1f} ms",
        "CPU of the depth node (100 % = one core)": f"{session.cpu_percent['node']:.0f} %",
        "CPU of the simulated camera": f"{session.cpu_percent['camera']:.0f} %",
        "AbsRel": f"{figures.abs_rel:.3f}",
        "AbsRel of one constant, the median of all truth": f"{figures.abs_rel_constant:.3f}",
        "RMSE": f"{figures.rmse_m:.3f} m",
        "δ1 (within a factor of 1.25)": f"{figures.delta1:.3f}",
        "circle of confusion, mean error": f"{figures.coc_mae_px:.2f} px",
        "pixels with depth": f"{100 * figures.valid_fraction:.1f} %",
        "backend": figures.backend,
        "model": figures.model_sha256[:12],
    }
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)
    if figures.frames_out < _ENOUGH * figures.frames_in:
        console.print("Frames were dropped: this machine is busy or too slow for this rate; try --rate-hz 10.")
    console.print(f"See {options.out}/panel.png; open {options.out}/session.mcap in Foxglove or with ros2 bag.")
