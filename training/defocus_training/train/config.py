"""The configuration of a training run: one checked tree of values, from YAML and `--set key=value`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from defocus_depth.checked_input import field_problems
from defocus_depth.errors import ConfigError
from defocus_depth.share import named_or_path

from ..data.augment import AugmentOptions
from ..data.crops import CropOptions, Supervision
from ..data.sources import PoolSource, ShardSource, StreamOptions, StreamSource
from ..networks import ModelOptions
from ..networks.model import NEAR_EMPHASIS

Renderer = Literal["splat", "gsplat", "reblur"]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LossWeights(_Checked):
    """Weights of the terms of the loss."""

    sdnet: float = Field(default=1.0, ge=0, description="likelihood of SDNet's |CoC|")
    depthnet: float = Field(default=1.0, ge=0, description="likelihood of DepthNet's inverse depth")
    defocus: float = Field(default=0.1, ge=0, description="both images of a pair imply one depth")
    blur: float = Field(default=0.3, ge=0, description="SDNet's CoC, splatted, explains the images")
    reconstruction: float = Field(
        default=0.3, ge=0, description="DepthNet's depth, splatted, explains every frame of the stack"
    )
    smoothness: float = Field(default=0.05, ge=0, description="inverse depth is smooth where the image is")
    blur_emphasis_px: float = Field(
        default=7.0, gt=0, description="pixels weigh exp(|CoC|/this), at most 12: strong blur is rare in the pool"
    )
    near_emphasis: float = Field(
        default=NEAR_EMPHASIS, ge=0, le=1, description="exponent of u/φ in DepthNet's pixel weight: 1 aims at AbsRel"
    )
    inside_share: float = Field(
        default=0.3, ge=0, le=1, description="DepthNet's weight of frames focused inside scenes of floating things"
    )
    standing_share: float = Field(
        default=0.5, ge=0, le=1, description="the same inside scenes of standing things, whose layout shows blur's sign"
    )
    least_far_share: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="part of a crop that must lie beyond a focus inside the scene for the frame to count fully: "
        "where all is nearer than the focus, it looks as if all were beyond it",
    )


class TrainConfig(_Checked):
    """A training run. Paths are relative to the working directory."""

    out: Path = Field(description="folder of checkpoints, logs and the resolved configuration")
    pool: Path | None = Field(
        default=None, description="folder of a stack pool (`defocus_training pool`); null: stacks are made on the fly"
    )
    stream: StreamOptions = StreamOptions()
    supervision: Supervision = Field(
        default="self", description="self: the stacks' own frames; truth: exact depth (a yardstick)"
    )
    init: Path | Literal["released"] | None = Field(
        default=None, description="weights to start from (safetensors); `released`: the package's"
    )
    trained: Literal["both", "depthnet"] = Field(
        default="both",
        description="depthnet: SDNet stays as it is; for another mix of scenes, from weights that measure blur",
    )
    steps: int = Field(default=40_000, gt=0, description="optimiser steps in all")
    pairs_per_step: int = Field(default=16, gt=0, description="pairs of crops per step and process")
    photometric_every: int = Field(default=4, ge=0, description="steps between photometric terms; 0: never")
    photometric_pairs: int = Field(default=2, gt=0, description="pairs that are rendered in such a step")
    photometric_renderer: Literal["auto"] | Renderer = Field(
        default="auto",
        description="splat: occlusion-aware, on the CPU; gsplat: the same on CUDA, with Gaussians and half as fine; "
        "reblur: each pixel blurred by itself (an ablation); auto: gsplat where CUDA and gsplat are, else splat",
    )
    learning_rate: float = Field(default=2e-3, gt=0)
    warmup_steps: int = Field(default=300, ge=0)
    cooldown_steps: int = Field(
        default=6000, ge=0, description="the rate falls to zero over the last steps; constant before"
    )
    weight_decay: float = Field(default=0.02, ge=0)
    ema_decay: float = Field(
        default=0.998, gt=0, lt=1, description="of the averaged weights that are validated and exported"
    )
    gradient_clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    seed: int = 0
    held_out_shards: int = Field(default=2, gt=0, description="first shards of the pool: validation only")
    validate_every: int = Field(default=1000, gt=0, description="steps")
    checkpoint_every: int = Field(default=500, gt=0, description="steps")
    snapshot_every: int = Field(
        default=0, ge=0, description="steps between averaged weights that are kept beside the best ones; 0: none"
    )
    workers: int = Field(default=1, ge=0, description="data processes; 0 draws crops in the training process")
    crops_on: Literal["auto", "workers", "device"] = Field(
        default="auto",
        description="where crops are cut and augmented; device: the pool's stacks are kept in its memory; "
        "auto: device with a pool on CUDA, else workers",
    )
    bank_stacks: int = Field(default=4096, gt=0, description="stacks kept on the device; new ones replace the oldest")
    compile: bool = Field(default=False, description="let torch compile the networks: a minute at the start, for GPUs")
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    devices: int = Field(default=1, gt=0)
    nodes: int = Field(default=1, gt=0)
    precision: Literal["32-true", "bf16-mixed"] = "bf16-mixed"
    losses: LossWeights = LossWeights()
    crops: CropOptions = CropOptions()
    augment: AugmentOptions = AugmentOptions()
    model: ModelOptions = ModelOptions()

    @model_validator(mode="after")
    def _device_needs_a_pool(self) -> TrainConfig:
        if self.crops_on == "device" and self.pool is None:
            raise ValueError("crops_on: expected a pool with 'device', got pool null")
        return self

    @model_validator(mode="after")
    def _weights_say_what_they_are_of(self) -> TrainConfig:
        if self.init is not None and self.model != ModelOptions():
            raise ValueError(f"model: expected none beside init, whose weights have their own, got {self.model}")
        return self


def shard_source(config: TrainConfig) -> ShardSource:
    """Where this run's stacks come from; every process and every stream of pairs has its own."""
    return PoolSource(config.pool, config.held_out_shards) if config.pool else StreamSource(config.stream)


def find_config(name_or_path: str) -> Path:
    """The file that a user means: a path, or the name of one in config/training (`refine`).

    Raises:
        ConfigError: no configuration of that name comes with the package: names those that do.
    """
    return named_or_path(name_or_path, "training configuration", "config", "training")


def load_config(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a YAML file, apply `key=value` overrides (dotted keys, YAML values), check everything.

    Raises:
        ConfigError: the file cannot be read, a key is unknown or a value out of its range.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        if not isinstance(tree, dict):
            raise ConfigError(f"{path}: expected keys and values, got {tree!r}")
        for override in overrides:
            _apply(tree, override)
        return TrainConfig.model_validate(tree)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: expected a readable YAML file: {error}") from error
    except ValidationError as error:
        raise ConfigError(field_problems(path, error)[0]) from error


def dump_config(config: TrainConfig) -> str:
    """The resolved configuration as YAML that `load_config` reads back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _apply(tree: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator:
        raise ConfigError(f"--set: expected key=value, got {override!r}")
    *parents, leaf = key.split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"--set {override}: expected a part of the configuration before the dot, got {tree!r}")
    try:
        tree[leaf] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: expected a YAML value after the =") from error
