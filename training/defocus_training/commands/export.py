"""`defocus_training export`: trained weights to an ONNX graph with its sidecar."""

from __future__ import annotations

import json as json_module
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from rich.console import Console

from defocus_depth.commands.dispatch import write_json
from defocus_depth.errors import ConfigError

if TYPE_CHECKING:
    from defocus_training.networks import DefocusModel


@dataclass(frozen=True)
class Options:
    """Export weights (safetensors) as `<out>.onnx`, `<out>.json` and `<out>.safetensors` (fp16)."""

    weights: tyro.conf.Positional[Path]
    """Weights of a training run (best.safetensors) or of a released model."""
    out: Path
    """The ONNX file to write, <name>.onnx."""
    supervision: Literal["self", "truth"]
    """How the weights were trained: `self` from focal stacks alone, `truth` from exact depth."""
    trained_on: str
    """One line on the data, for the sidecar."""
    formats: Annotated[tuple[Literal["onnx", "pt2"], ...], tyro.conf.arg(name="format")] = field(default=("onnx",))
    """`pt2` adds an exported program for the torch backend."""
    looks: tuple[float, ...] | None = None
    """Sizes, over the working size, in which the model looks at a picture before it fuses what it sees (multiples of
    1/8 in [1/2, 1]); the weights' own if not given. `1 0.75` costs 1.56 times the time of `1`."""
    smoothing: tuple[int, ...] | None = None
    """Distances (cells of 4 px, 1..16) of the passes that average what the model sees along surfaces (`8 4 2 1` in the
    released one); the weights' own if not given."""
    weight_steps: int | None = None
    """Round convolutions' weights to about so many steps per deviation of their channel; not rounded if not given. With
    8 the released model's files compress to a third; docs/training.md has what that costs."""
    calibrate_on: Path | None = None
    """Folder of focal stacks on whose fits depth and the width of its intervals are calibrated; needs no labels."""
    fits: Path | None = None
    """Folder of those fits (`defocus_training fit STACKS/* --out FITS`)."""
    metrics: Path | None = None
    """JSON file of `defocus_depth evaluate` whose figures go into the sidecar."""
    json: Path | None = None
    """Write the sidecar's content here as well."""


def run(options: Options) -> int:
    """Export and say what was written."""
    from defocus_training.export import ModelCard, export_model

    if options.weight_steps is not None and options.weight_steps < 1:
        raise ConfigError(f"--weight-steps: expected at least 1, got {options.weight_steps}")
    _check_out(options)
    model = _model(options)
    card = ModelCard(options.supervision, options.trained_on, _figures(options.metrics))
    sidecar = export_model(model, options.out, card, "pt2" in options.formats, options.weight_steps)
    Console(stderr=True).print(
        f"wrote {options.out} (sha256 {sidecar.sha256[:12]}…), supervision {sidecar.supervision}, "
        f"scale factor {model.options.scale_factor:.3g}, median factor {model.options.median_factor:.3g}"
    )
    write_json(options.json, sidecar.model_dump(mode="json"))
    return 0


def _check_out(options: Options) -> None:
    """Exported weights are rounded to fp16: they must not take the place of those they are made of."""
    if options.out.suffix != ".onnx":
        raise ConfigError(f"--out: expected a file name <name>.onnx, got {options.out}")
    if options.out.with_suffix(".safetensors").resolve() == options.weights.resolve():
        raise ConfigError(
            f"--out: expected another name than that of the weights, {options.weights}, got {options.out}"
        )


def _model(options: Options) -> DefocusModel:
    from defocus_training.export import calibrated
    from defocus_training.train.checkpoints import load_weights

    model = load_weights(options.weights)
    given = {"looks": options.looks, "smoothing": options.smoothing}
    model.options = replace(model.options, **{name: value for name, value in given.items() if value is not None})
    if options.calibrate_on is None and options.fits is None:
        return model
    if options.calibrate_on is None or options.fits is None:
        raise ConfigError("--calibrate-on and --fits: expected both or neither, got one of them")
    return calibrated(model, options.calibrate_on, options.fits)


def _figures(path: Path | None) -> dict[str, float | dict[str, float]]:
    if path is None:
        return {}
    try:
        figures = json_module.loads(path.read_text(encoding="utf-8"))
        return {name: float(value) for name, value in figures.items() if isinstance(value, (int, float))}
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"--metrics {path}: expected the JSON of `defocus_depth evaluate`: {error}") from error
