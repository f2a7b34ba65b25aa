"""What must stay as it was when a run is taken up again, and what its best score may be compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from defocus_depth.errors import ConfigError

from .config import TrainConfig

Settings = Mapping[str, Any]
ORIGIN = ("init", "model")
"""What the weights in a checkpoint came of."""
DATA = ("pool", "held_out_shards", "supervision")
"""What a run learns from and is validated on."""
MEASURE = (*DATA, "stream", "crops", "augment", "losses", "pairs_per_step")
"""What the score of a validation depends on beside the weights."""


def settings_of(config: TrainConfig) -> dict[str, Any]:
    """The configuration as a checkpoint keeps it: plain values, and paths that are the same from everywhere."""
    settings = config.model_dump(mode="json")
    for name in ("out", "pool", "init"):
        if isinstance(path := getattr(config, name), Path):
            settings[name] = str(path.resolve())
    return settings


def require_same_run(config: TrainConfig, kept: Settings) -> None:
    """Refuse to take up a run as another one. A checkpoint copied to another `out` is a branch, whose data may differ.

    Args:
        kept: of the checkpoint; settings that it lacks (older versions kept none) are believed to be the same.

    Raises:
        ConfigError: names what differs.
    """
    now = settings_of(config)
    own = kept.get("out") == now["out"]
    before, after = (_flat(settings, ORIGIN + DATA if own else ORIGIN) for settings in (kept, now))
    changed = [name for name, value in before.items() if name in after and after[name] != value]
    if changed:
        expected, actual = (", ".join(f"{name} {values[name]}" for name in changed) for values in (before, after))
        raise ConfigError(
            f"{config.out}: expected {expected}, with which the run there began, got {actual}: choose another out"
        )


def same_measure(config: TrainConfig, kept: Settings) -> bool:
    """Whether scores from now on can be compared with those of the checkpoint."""
    now = settings_of(config)
    return all(kept.get(name, now[name]) == now[name] for name in MEASURE)


def _flat(settings: Settings, names: Sequence[str]) -> dict[str, Any]:
    """The named settings; those of a part (`model`) one by one, as `--set` names them."""
    found: dict[str, Any] = {}
    for name in names:
        value = settings.get(name)
        if isinstance(value, dict):
            found.update((f"{name}.{key}", one) for key, one in value.items())
        elif name in settings:
            found[name] = value
    return found
