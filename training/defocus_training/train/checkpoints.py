"""Checkpoints that a run resumes from, and the weights that leave it."""

from __future__ import annotations

import contextlib
import copy
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from safetensors.torch import load_file
from safetensors.torch import save as packed
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from defocus_depth.atomic import replacing
from defocus_depth.errors import ConfigError, ModelError

from ..networks import DefocusModel, ModelOptions
from .config import TrainConfig, dump_config

Model = TypeVar("Model", bound=nn.Module)
LAST, BEST = "last.ckpt", "best.safetensors"


class AveragedModel(Generic[Model]):
    """Exponential moving average of a model's weights and of its batch-norm statistics; counters are taken as they are.

    The statistics are so those of the networks that are averaged, not of the average, and as smooth as its weights.
    """

    def __init__(self, model: Model, decay: float) -> None:
        self.model: Model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move towards `model`; early on faster, so that the random start is forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averaged, current = self.model.state_dict(), model.state_dict()
        real = [name for name, value in averaged.items() if value.dtype.is_floating_point]
        get_ema_multi_avg_fn(decay)([averaged[name] for name in real], [current[name] for name in real], step)
        for name in averaged.keys() - set(real):
            averaged[name].copy_(current[name])


def save_weights(path: Path, model: nn.Module, options: ModelOptions, half: bool = False) -> None:
    """Weights as safetensors with the model's options in the header; `half`: fp16.

    Raises:
        ConfigError: the file cannot be written.
    """
    tensors = {
        name: (value.half() if half and value.dtype.is_floating_point else value).contiguous()
        for name, value in model.state_dict().items()
    }
    content = packed(tensors, {"model": json.dumps(vars(options))})
    with writable(path), replacing(path) as partial:  # safetensors' own files can be read by their owner alone
        partial.write_bytes(content)


def load_weights(path: Path) -> DefocusModel:
    """A model in evaluation mode, fp32, from a file that `save_weights` wrote.

    Raises:
        ModelError: the file is missing or not of this model.
    """
    from safetensors import safe_open

    try:
        with safe_open(path, "pt") as file:
            options = json.loads(file.metadata()["model"])
        widths = {key: tuple(value) for key, value in options.items() if isinstance(value, list)}
        model = DefocusModel(ModelOptions(**options | widths))
        model.load_state_dict({name: _full(value) for name, value in load_file(path).items()})
    except Exception as error:  # safetensors raises its own, undocumented types
        raise ModelError(
            f"{path}: expected weights written by `defocus_training train` or `export`: {error}"
        ) from error
    return model.eval()


def average_weights(start: DefocusModel, end: DefocusModel, share: float, depthnet_share: float) -> DefocusModel:
    """A model with `share` (0..1) of `end`'s weights and the rest of `start`'s; DepthNet with a share of its own.

    Raises:
        ModelError: the two have networks of different widths.
    """
    if (start.options.sdnet_widths, start.options.depthnet_widths) != (
        end.options.sdnet_widths,
        end.options.depthnet_widths,
    ):
        raise ModelError(f"expected two models of one architecture, got {start.options} and {end.options}")
    averaged, ends = copy.deepcopy(start), end.state_dict()
    for name, value in averaged.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(ends[name], depthnet_share if name.startswith("depthnet.") else share)
    averaged.options = end.options
    return averaged


def describe_run(folder: Path, config: TrainConfig) -> None:
    """Write the resolved configuration and the git revision beside the checkpoints.

    Raises:
        ConfigError: the folder cannot be written.
    """
    with writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(dump_config(config), encoding="utf-8")
        (folder / "revision.txt").write_text(git_revision() + "\n", encoding="utf-8")


def git_revision() -> str:
    """The commit of the source tree this runs from, with `-dirty` where it was changed; `unknown` outside git."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def save_state(path: Path, state: dict[str, Any]) -> None:
    """`torch.save` through a temporary file: an interrupted save leaves the last checkpoint whole.

    Raises:
        ConfigError: the file cannot be written.
    """
    with writable(path), replacing(path) as partial:
        torch.save(state, partial)


@contextlib.contextmanager
def writable(path: Path) -> Iterator[None]:
    """Names `path` where it cannot be written.

    Raises:
        ConfigError: the block raised an OSError, or what torch makes of one.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        said = str(error).splitlines()[0]  # torch adds its own stack
        raise ConfigError(f"{path}: expected a place that can be written, got {said}") from error


def load_state(path: Path) -> dict[str, Any]:
    """A checkpoint on the CPU.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises pickle, zip and runtime errors alike
        raise ConfigError(f"{path}: expected a checkpoint of this program: {error}") from error


def _full(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.dtype == torch.float16 else value
