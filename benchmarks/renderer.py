"""Part of `make bench`: the splatting renderer forward and backward, engine by engine, in seconds per megapixel.

Every engine renders the same scene in interleaved rounds, so that they share every disturbance of the machine. The
torch twin compares every splat with every pixel, so its time per megapixel grows with the picture and only small
pictures are given to it; `speed_up` compares at that size. Exit 1 where the compiled engine is not SPEED_UP times
faster.

    python benchmarks/renderer.py --rounds 5 --json renderer.json
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import tyro
from rich.console import Console
from rich.table import Table

from defocus_depth.commands.dispatch import write_json
from defocus_depth.errors import BackendUnavailableError

SPEED_UP = 20.0
TWIN_SIZE = (48, 64)  # (height, width) px
SIZES = (TWIN_SIZE, (240, 320))
GPU_SIZES = (*SIZES, (480, 640))  # a GPU is not busy with the small ones


@dataclass(frozen=True)
class Options:
    """How often, and where the figures go."""

    rounds: int = 5
    """Timed rounds; the median counts."""
    threads: int = 0
    """CPU threads of torch and of the compiled engine; 0 = the library's choice."""
    json: Path | None = None
    """Write the figures (seconds) to this file."""


@dataclass(frozen=True)
class Case:
    """One engine, what it draws (`pixels` or `gaussians`), how it composites, and the picture's size."""

    engine: str
    splats: str
    mode: str
    height: int
    width: int


@dataclass(frozen=True)
class Timing:
    """Median time of one picture, forward and backward.

    Attributes:
        speed_up: time of the torch twin on the same pictures over this one's; None where the twin was not timed.
    """

    case: Case
    seconds: float
    seconds_per_megapixel: float
    speed_up: float | None


def cases(cuda: bool) -> list[Case]:
    """What is timed; gsplat only where CUDA is."""
    drawn = [("pixels", "coverage"), ("gaussians", "coverage"), ("gaussians", "alpha")]
    found = [
        Case(engine, splats, mode, *size)
        for splats, mode in drawn
        for size in SIZES
        for engine in ("torch", "cpu")
        if engine == "cpu" or size == TWIN_SIZE
    ]
    return found + [Case("gsplat", "gaussians", "alpha", *size) for size in GPU_SIZES if cuda]


def time_cases(wanted: list[Case], rounds: int) -> list[Timing]:
    """Interleaved rounds after one that warms up and compiles."""
    pictures = [_prepared(case) for case in wanted]
    seconds: list[list[float]] = [[] for _ in wanted]
    for round_number in range(rounds + 1):
        for picture, taken in zip(pictures, seconds, strict=True):
            spent = picture()
            if round_number:
                taken.append(spent)
    medians = {case: median(taken) for case, taken in zip(wanted, seconds, strict=True)}
    return [_timing(case, medians) for case in wanted]


def _timing(case: Case, medians: dict[Case, float]) -> Timing:
    twin = medians.get(Case("torch", case.splats, case.mode, case.height, case.width))
    own = medians[case]
    return Timing(case, own, own / (case.height * case.width / 1e6), None if twin is None else twin / own)


def _prepared(case: Case):  # noqa: ANN202
    """A function that renders the case's picture forward and backward and returns the seconds it took."""
    import torch

    from defocus_depth.types import CameraIntrinsics
    from defocus_training.splatting.psf import DiscPsf, GaussianPsf
    from defocus_training.splatting.render import RenderOptions, render
    from defocus_training.splatting.scene import Blur, SceneGaussians

    device = "cuda" if case.engine == "gsplat" else "cpu"
    generator = torch.Generator().manual_seed(0)
    colour = torch.rand(3, case.height, case.width, generator=generator).to(device).requires_grad_()
    slope = torch.linspace(0.4, 2.5, case.width).expand(case.height, -1).clone().to(device).requires_grad_()
    camera = CameraIntrinsics(case.width, case.height, 1e3, 1e3, (case.width - 1) / 2, (case.height - 1) / 2)
    blur = Blur(torch.tensor([7.8], device=device), torch.tensor([2.86], device=device))  # the rig `robot`
    psf = DiscPsf() if case.splats == "pixels" else GaussianPsf()
    options = RenderOptions(case.engine, case.mode, psf)  # type: ignore[arg-type]

    def picture() -> float:
        start = time.perf_counter()
        scene = SceneGaussians.from_maps(colour, slope, None if case.splats == "pixels" else 1)
        render(scene, blur, camera, options).square().sum().backward()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    return picture


def too_slow(timings: list[Timing]) -> list[Timing]:
    """Timings of the compiled engine that fall short of SPEED_UP."""
    return [one for one in timings if one.case.engine == "cpu" and one.speed_up is not None and one.speed_up < SPEED_UP]


def _machine() -> dict[str, str | int | None]:
    """What the figures hold for: CPU threads, and the card where one is."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cpus": os.cpu_count(), "threads": torch.get_num_threads(), "gpu": gpu}


def _show(timings: list[Timing], machine: dict[str, str | int | None]) -> None:
    where = f"{machine['threads']} of {machine['cpus']} CPUs, GPU: {machine['gpu'] or 'none'}"
    table = Table(title=f"renderer, forward + backward ({where})")
    for heading in ("engine", "splats", "mode", "size", "ms", "s per megapixel", "x torch twin"):
        table.add_column(heading, justify="right")
    for one in timings:
        case, speed_up = one.case, "" if one.speed_up is None else f"{one.speed_up:.0f}"
        size, milliseconds = f"{case.width}x{case.height}", f"{1e3 * one.seconds:.1f}"
        figures = (size, milliseconds, f"{one.seconds_per_megapixel:.2f}", speed_up)
        table.add_row(case.engine, case.splats, case.mode, *figures)
    Console().print(table)


def run(options: Options) -> int:
    """Time, show, write; 1 where the compiled engine is too slow."""
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    wanted = cases(torch.cuda.is_available() and find_spec("gsplat") is not None)
    try:
        timings = time_cases(wanted, options.rounds)
    except BackendUnavailableError as error:
        print(f"gsplat left out: {error}", file=sys.stderr)
        timings = time_cases(cases(False), options.rounds)
    machine = _machine()
    _show(timings, machine)
    write_json(options.json, {"machine": machine, "timings": [asdict(one) for one in timings]})
    for one in too_slow(timings):
        print(
            f"expected {SPEED_UP:g} times the torch twin's speed, got {one.speed_up:.1f}: {one.case}", file=sys.stderr
        )
    return int(bool(too_slow(timings)))


if __name__ == "__main__":
    if find_spec("torch") is None:
        print("renderer: left out, because torch is not installed (extra [training])")
        sys.exit(0)
    sys.exit(run(tyro.cli(Options, description=__doc__)))
