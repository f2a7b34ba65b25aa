"""`defocus_depth build-engine`: TensorRT engines of a model, ahead of time, where the node finds them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from tyro.conf import Positional

from ..errors import BackendUnavailableError, ConfigError
from ..inference import BackendRequest, ModelArtifact, load_artifact
from ..inference.artifact import SIZE_MULTIPLE, VariantPrecision
from ..inference.backends.base import Precision
from ..inference.backends.tensorrt.adapter import FLAVOURS, Library, import_library
from ..inference.backends.tensorrt.ahead import BuildAhead, Built, sizes_without_engine
from ..inference.backends.tensorrt.builder import WORKSPACE_BYTES
from ..inference.backends.tensorrt.builder import Progress as BuildProgress
from ..inference.backends.tensorrt.building import PIXELS, EngineMaker, built_for, precisions_to_try
from ..inference.backends.tensorrt.cache import FOLDER_VARIABLE, EngineCache, default_folder
from ..inference.backends.tensorrt.device import GpuIdentity, open_gpu
from .dispatch import EXIT_NEGATIVE, EXIT_OK, write_json

_MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Options:
    model: Positional[Path | None] = None
    """`<name>.onnx` with its sidecar; the released model by default."""
    out: Path | None = None
    """Folder for the engines; by default the one where the node looks for them."""
    flavour: Literal["tensorrt", "tensorrt_rtx"] | None = None
    """Library to build for; by default the first whose builder loads and whose engines this machine's GPU can run."""
    precisions: tuple[Literal["f32", "f16", "int8"], ...] = ()
    """Precisions to build; by default all for which the model has a graph."""
    sizes: tuple[str, ...] = ()
    """Working sizes WIDTHxHEIGHT (px), as in 320x256; by default all of the model's."""
    force: bool = False
    """Also build engines that are there and valid, and compare them with the CPU again."""
    workspace_mb: int = WORKSPACE_BYTES // _MEBIBYTE
    """Most scratch memory (MiB) that a layer may use."""
    json: Path | None = None
    """Also write what was built to this file."""


def run(options: Options) -> int:
    """Build what is missing, compare with the CPU where a GPU is, print a table; 1 when a size has no good engine."""
    artifact = load_artifact(options.model)
    gpu, no_gpu = _gpu()
    library = _library(options.flavour, gpu)
    requests = list(_requests(artifact, options, library.flavour.name))
    unsupported = _unsupported(library, gpu)
    cache = EngineCache(options.out)
    with _progress() as show:
        runs_on = None if unsupported else gpu
        maker = EngineMaker(library, cache, runs_on, options.workspace_mb * _MEBIBYTE, show)
        ahead = BuildAhead(maker, options.force)
        built = [ahead.pixels(), *(ahead.network(request, precision) for request, precision in requests)]
    _print(library, cache, built, _where_they_run(no_gpu, unsupported))
    _print_missing_variants(artifact)
    write_json(options.json, _figures(library, gpu, cache, built))
    return EXIT_NEGATIVE if sizes_without_engine(built) else EXIT_OK


@contextmanager
def _progress() -> Iterator[BuildProgress | None]:
    """What shows how far a build is; None without a terminal: the log says so then."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task("")
        yield lambda phase, done, steps: bar.update(task, description=phase, completed=done, total=steps)


def _library(flavour: str | None, gpu: GpuIdentity | None) -> Library:
    """The one asked for; else the first that loads and, where a GPU is, has engines for it."""
    if flavour is not None:
        return _importable(flavour, gpu)
    reasons = []
    for name in FLAVOURS:
        try:
            library = _importable(name, gpu)
        except BackendUnavailableError as error:
            reasons.append(str(error))
            continue
        if not (refusal := _unsupported(library, gpu)):
            return library
        reasons.append(f"{refusal}; --flavour {name} builds for other machines")
    raise BackendUnavailableError("; ".join(reasons))


def _importable(name: str, gpu: GpuIdentity | None) -> Library:
    """The library, which can build here: with a driver, or without if it needs none."""
    library = import_library(FLAVOURS[name])
    built_for(library.flavour, gpu)  # refuses
    return library


def _unsupported(library: Library, gpu: GpuIdentity | None) -> str:
    """Why the library's engines do not run on the GPU; empty where they do, or where there is none."""
    try:
        if gpu is not None:
            library.require_support(gpu)
    except BackendUnavailableError as error:
        return str(error)
    return ""


def _gpu() -> tuple[GpuIdentity | None, str]:
    """The GPU; or None and why there is none."""
    try:
        gpu = open_gpu()
    except BackendUnavailableError as error:
        return None, str(error)
    gpu.close()
    return gpu.identity, ""


def _requests(artifact: ModelArtifact, options: Options, name: str) -> Iterator[tuple[BackendRequest, Precision]]:
    if options.workspace_mb < 1:
        raise ConfigError(f"--workspace-mb: expected ≥ 1, got {options.workspace_mb}")
    sizes = [_size(text) for text in options.sizes] or artifact.sidecar.sizes
    for height, width in sizes:
        request = BackendRequest(artifact, height, width, may_build=False)
        for precision in options.precisions or precisions_to_try(request, name):
            yield request, precision


def _size(text: str) -> tuple[int, int]:
    """(height, width) of WIDTHxHEIGHT."""
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    sides = [int(side) for side in found.groups()] if found else []
    if not sides or any(side == 0 or side % SIZE_MULTIPLE for side in sides):
        raise ConfigError(f"--sizes: expected WIDTHxHEIGHT in multiples of {SIZE_MULTIPLE} px, got {text!r}")
    return sides[1], sides[0]


def _where_they_run(no_gpu: str, unsupported: str) -> str:
    """What keeps the engines from running here, in words; empty where nothing does."""
    then = "each is compared with the CPU when it is first loaded there."
    if no_gpu:
        return f"No driver here ({no_gpu}). Running these engines needs an NVIDIA driver and GPU; {then}"
    if unsupported:
        return f"Not for this machine's GPU ({unsupported}). Copy these engines to where they run; {then}"
    return ""


def _print(library: Library, cache: EngineCache, built: list[Built], remark: str) -> None:
    table = Table(title=f"{library.flavour.name} {library.version}")
    table.add_column("precision")
    table.add_column("size")
    table.add_column("MiB", justify="right")
    table.add_column("s", justify="right")
    table.add_column("compared with the CPU", overflow="fold")
    for one in built:
        seconds = "there" if one.was_there else f"{one.seconds:.1f}"
        table.add_row(one.precision, one.size, f"{one.mebibytes:.1f}", seconds, _verdict(one))
    console = Console(markup=False, highlight=False)
    console.print(table)
    if remark:
        console.print(remark, soft_wrap=True)
    if cache.folder != default_folder():
        where = f"The node looks for engines in {default_folder()}: export {FOLDER_VARIABLE}={cache.folder.resolve()}"
        console.print(where, soft_wrap=True)


def _print_missing_variants(artifact: ModelArtifact) -> None:
    missing = [name for name in get_args(VariantPrecision) if name not in artifact.sidecar.variants]
    if missing:
        Console(highlight=False, markup=False).print(
            f"{', '.join(missing)}: the model has no such graph yet; defocus_training quantise makes it."
        )


def _verdict(one: Built) -> str:
    if one.problem:
        return one.problem
    if one.precision == PIXELS:
        return "on the first image"
    return "agrees" if one.verified else "not yet"


def _figures(library: Library, gpu: GpuIdentity | None, cache: EngineCache, built: list[Built]) -> dict[str, object]:
    return {
        "library": f"{library.flavour.name} {library.version}",
        "gpu": str(gpu) if gpu else None,
        "folder": str(cache.folder),
        "engines": [asdict(one) for one in built],
    }
