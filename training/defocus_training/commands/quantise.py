"""`defocus_training quantise`: fp16 and int8 variants of a model, with their accuracy beside float32's."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import track
from tyro.conf import Positional

from defocus_depth.commands.dispatch import write_json
from defocus_depth.errors import ConfigError, ModelError
from defocus_depth.evaluation.dataset import Sample, StackSamples
from defocus_depth.inference import ModelArtifact, load_artifact
from defocus_depth.simulation.folders import StackRecipe, write_scene_stack
from defocus_depth.simulation.rigs import find_rig

CALIBRATION_SEED, VALIDATION_SEED = 4200, 777000
_RIG = "robot"


@dataclass(frozen=True)
class Options:
    """Write `<name>.f16.onnx` and `<name>.int8.onnx` beside a model, and their figures into its sidecar."""

    model: Positional[Path | None] = None
    """`<name>.onnx` with its sidecar; the released model by default."""
    out: Path | None = None
    """Copy the model to this file, <name>.onnx, first; needed where its own folder cannot be written."""
    precisions: tuple[Literal["f16", "int8"], ...] = ("f16", "int8")
    """Variants to make."""
    calibration: Path | None = None
    """Folder of focal stacks whose first frames set int8's ranges; simulated here by default. No depth is needed."""
    validation: Path | None = None
    """Folder of focal stacks with depth on which the variants are compared with float32; simulated by default."""
    count: int = 20
    """Stacks to simulate for each."""
    json: Path | None = None
    """Also write the variants' entries to this file."""


def run(options: Options) -> int:
    """Make the variants and say what they cost."""
    from defocus_training.lowering.quantise import Attempt, calibration_feeds, make_variant

    console = Console(stderr=True, highlight=False)
    artifact = _copied(load_artifact(options.model), options.out)

    def show(attempt: Attempt, f32_abs_rel: float) -> None:
        kept = f", float32 kept in {', '.join(attempt.kept_f32)}" if attempt.kept_f32 else ""
        loss = attempt.abs_rel / f32_abs_rel - 1
        console.print(f"  AbsRel {attempt.abs_rel:.4f}, float32 {f32_abs_rel:.4f} ({loss:+.1%}){kept}")
        for problem in attempt.differs:
            console.print(f"  not float32's maps: {problem}")

    with _samples(options.validation, VALIDATION_SEED, options.count, console) as validation:
        with _samples(options.calibration, CALIBRATION_SEED, options.count, console) as calibration:
            feeds = calibration_feeds(artifact, calibration)
        entries = {}
        for precision in options.precisions:
            console.print(f"{artifact.variant_path(precision)}")
            entries[precision] = make_variant(artifact, precision, feeds, validation, show).model_dump(mode="json")
    write_json(options.json, entries)
    return 0


def _copied(artifact: ModelArtifact, out: Path | None) -> ModelArtifact:
    if out is None or out.resolve() == artifact.onnx_path.resolve():
        return artifact
    if out.suffix != ".onnx":
        raise ConfigError(f"--out: expected a file name <name>.onnx, got {out}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for suffix in (".onnx", ".json", ".safetensors", ".pt2"):
            if (source := artifact.onnx_path.with_suffix(suffix)).is_file():
                shutil.copyfile(source, out.with_suffix(suffix))
    except OSError as error:
        raise ModelError(f"{out}: expected a file that can be written: {error}") from error
    return load_artifact(out)


@contextmanager
def _samples(dataset: Path | None, seed: int, count: int, console: Console) -> Iterator[list[Sample]]:
    """The first frame (nearest focus) of every stack of the data set, or of `count` simulated ones."""
    if dataset is not None:
        yield list(StackSamples(dataset))
        return
    if count < 1:
        raise ConfigError(f"--count: expected ≥ 1, got {count}")
    rig = find_rig(_RIG)
    recipe = StackRecipe(rig, (min(rig.sweep_m),))
    with tempfile.TemporaryDirectory() as scratch:
        for number in track(range(count), "simulating stacks", console=console, transient=True):
            write_scene_stack(Path(scratch), recipe, seed + number)
        yield list(StackSamples(Path(scratch)))
