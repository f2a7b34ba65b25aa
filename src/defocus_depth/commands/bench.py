"""`defocus_depth bench`: the backends side by side, in interleaved rounds, so that they share every disturbance."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ..errors import BackendError, ConfigError, ModelError
from ..inference import BACKENDS, OUTPUT_NAMES, Backend, BackendRequest, ModelArtifact, load_artifact, load_backend
from ..inference.estimator import EstimatorConfig, input_estimate
from ..inference.pixels import to_unit_floats
from ..inference.working_size import SPAN_PX, choose_geometry
from .dispatch import EXIT_NEGATIVE, EXIT_OK, write_json

VARIANTS = (*BACKENDS, "openvino:bf16", "openvino:int8")
IMAGE_HEIGHT, IMAGE_WIDTH = 480, 640
WARM_UP_ROUNDS = 3


@dataclass(frozen=True)
class Options:
    model: Path | None = None
    """`<name>.onnx` with its sidecar; the released model by default."""
    backends: tuple[str, ...] = VARIANTS
    """Backends to time, each a name or name:precision. Those that do not load, or load in another precision, are
    listed with their reason."""
    rounds: int = 40
    """Timed rounds; in each one every backend runs once at every working size."""
    threads: int = EstimatorConfig.threads
    """CPU threads per backend; 0 = the library's choice."""
    json: Path | None = None
    """Also write the figures (milliseconds) to this file."""


@dataclass(frozen=True)
class Timing:
    """Milliseconds per image of one backend at one working size.

    Attributes:
        ratio: the median over the fastest's at this size.
        speed_up: the median of the same backend in its own precision over this one; None where that was not timed.
    """

    backend: str
    height: int
    width: int
    median_ms: float
    p95_ms: float
    ratio: float
    speed_up: float | None


Candidate = tuple[str, BackendRequest]


def run(options: Options) -> int:
    """Load what loads, time it, print a table; 1 when no backend loads."""
    if options.rounds < 1:
        raise ConfigError(f"--rounds: expected ≥ 1, got {options.rounds}")
    artifact = load_artifact(options.model)
    loaded, refused = _load(_candidates(artifact, options))
    timings = _timings(loaded, options.rounds)
    overhead_ms = _overhead_ms(artifact, options.rounds)
    for _, _, backend in loaded:
        backend.close()
    _print(artifact, timings, refused, overhead_ms)
    figures = {
        "model_sha256": artifact.sidecar.sha256,
        "machine": {"architecture": platform.machine(), "cpus": os.cpu_count()},
        "rounds": options.rounds,
        "threads": options.threads,
        "timings": [asdict(timing) for timing in timings],
        "overhead_ms": overhead_ms,
        "unavailable": refused,
    }
    write_json(options.json, figures)
    return EXIT_OK if timings else EXIT_NEGATIVE


def _candidates(artifact: ModelArtifact, options: Options) -> list[Candidate]:
    candidates = []
    for variant in options.backends:
        precision = variant.partition(":")[2] or EstimatorConfig.precision
        config = EstimatorConfig(threads=options.threads, precision=precision)  # type: ignore[arg-type]
        for height, width in artifact.sidecar.sizes:
            request = BackendRequest(artifact, height, width, config.threads, config.precision, may_build=False)
            candidates.append((variant, request))
    return candidates


def _load(candidates: list[Candidate]) -> tuple[list[tuple[str, BackendRequest, Backend]], dict[str, str]]:
    loaded, refused = [], {}
    for variant, request in candidates:
        try:
            loaded.append((variant, request, _load_as_named(variant, request)))
        except (BackendError, ModelError) as error:
            refused[variant] = str(error)
    return loaded, refused


def _load_as_named(variant: str, request: BackendRequest) -> Backend:
    """The backend; refused where another precision than the one named stands in: TensorRT takes the next faithful."""
    name, _, precision = variant.partition(":")
    backend = load_backend(name, request)
    if precision in ("", "auto", backend.precision):
        return backend
    backend.close()
    command = f"defocus_depth build-engine {request.artifact.onnx_path} --flavour {name} --precisions {precision}"
    found = f"expected an engine in {precision}, got one in {backend.precision}"
    raise BackendError(f"{found}; whether {precision} is missing or refused, and why, says {command}")


def _timings(loaded: list[tuple[str, BackendRequest, Backend]], rounds: int) -> list[Timing]:
    runs = [_one_run(request, backend) for _, request, backend in loaded]
    seconds = np.array(_interleaved(runs, rounds)).reshape(rounds, len(runs))
    medians = np.median(seconds, axis=0) * 1e3
    median_of = {
        (variant, request.height, request.width): float(median)
        for (variant, request, _), median in zip(loaded, medians, strict=True)
    }
    timings = []
    for (variant, height, width), samples in zip(median_of, seconds.T, strict=True):
        median_ms, p95_ms = median_of[variant, height, width], float(np.percentile(samples, 95)) * 1e3
        fastest_ms = min(value for (_, *size), value in median_of.items() if size == [height, width])
        plain_ms = median_of.get((variant.partition(":")[0], height, width))
        speed_up = plain_ms / median_ms if plain_ms is not None else None
        timings.append(Timing(variant, height, width, median_ms, p95_ms, median_ms / fastest_ms, speed_up))
    return sorted(timings, key=lambda timing: (timing.height * timing.width, timing.median_ms))


def _one_run(request: BackendRequest, backend: Backend) -> Callable[[], Any]:
    image = np.random.default_rng(0).random((1, 3, request.height, request.width), dtype=np.float32)
    lens = np.array([[8.0, 2.8, 2.9]], np.float32)
    return lambda: backend.run(image, lens)


def _interleaved(runs: list[Callable[[], Any]], rounds: int) -> list[list[float]]:
    seconds = []
    for _ in track(range(WARM_UP_ROUNDS + rounds), "Timing", console=Console(stderr=True), transient=True):
        row = []
        for one_run in runs:
            start = time.perf_counter()
            one_run()
            row.append(time.perf_counter() - start)
        seconds.append(row)
    return seconds[WARM_UP_ROUNDS:]


def _overhead_ms(artifact: ModelArtifact, rounds: int) -> float:
    """Median time around the network, for an 8-bit colour image of 640x480 px that is halved: pixels in, maps out."""
    sidecar = artifact.sidecar
    image = np.random.default_rng(0).integers(0, 256, (IMAGE_HEIGHT, IMAGE_WIDTH, 3), dtype=np.uint8)
    geometry = choose_geometry(image.shape[:2], 2 * SPAN_PX, sidecar.sizes, SPAN_PX)
    maps = {name: np.ones((geometry.height, geometry.width), np.float32) for name in OUTPUT_NAMES}

    def around() -> None:
        geometry.to_working(to_unit_floats(image, "srgb", sidecar.transfer))
        input_estimate(maps, geometry, 8.0, 2.8)

    return float(np.median(_interleaved([around], rounds)) * 1e3)


def _print(artifact: ModelArtifact, timings: list[Timing], refused: dict[str, str], overhead_ms: float) -> None:
    table = Table(title=f"{artifact.onnx_path.name}: ms per image, rounds interleaved")
    table.add_column("working size")
    table.add_column("backend")
    for heading in ("median", "p95", "of fastest", "speed-up by precision"):
        table.add_column(heading, justify="right")
    for timing in timings:
        size = f"{timing.width}x{timing.height}"
        speed_up = f"{timing.speed_up:.2f}×" if ":" in timing.backend and timing.speed_up else ""
        figures = (f"{timing.median_ms:.2f}", f"{timing.p95_ms:.2f}", f"{timing.ratio:.2f}×", speed_up)
        table.add_row(size, timing.backend, *figures)
    console = Console()
    console.print(table)
    console.print(
        f"Around the network, {IMAGE_WIDTH}x{IMAGE_HEIGHT} colour image: {overhead_ms:.2f} ms", highlight=False
    )
    for variant, reason in refused.items():
        console.print(f"{variant} not timed: {reason}", highlight=False, markup=False)
