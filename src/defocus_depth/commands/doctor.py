"""`defocus_depth doctor`: look at everything the main path needs, and say what to fix."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .checks import Check, Status
from .checks.lens import ExpectedAccuracy, check_lens
from .checks.model import check_backends, check_model
from .checks.system import check_cv_bridge, check_dds_profile, check_python, check_ros
from .dispatch import EXIT_NEGATIVE, EXIT_OK, write_json

_STYLES: dict[Status, str] = {"ok": "green", "note": "dim", "warning": "yellow", "error": "bold red"}


@dataclass(frozen=True)
class Options:
    model: Path | None = None
    """`<name>.onnx` with its sidecar; the released model by default."""
    lens: str | None = None
    """Lens YAML, or the name of one in config/lenses (macro, nyu, robot): what depth accuracy to expect of it."""
    json: Path | None = None
    """Also write the findings to this file."""


def run(options: Options) -> int:
    """Print the findings; 1 when one of them keeps a camera topic from becoming maps."""
    checks, accuracy = _examine(options)
    runs = not any(check.status == "error" for check in checks)
    _print(checks)
    if accuracy:
        _print_accuracy(accuracy)
    figures = {"main_path_runs": runs, "checks": [asdict(check) for check in checks]}
    write_json(options.json, figures | ({"accuracy": [_finite(row) for row in accuracy]} if options.lens else {}))
    return EXIT_OK if runs else EXIT_NEGATIVE


def _examine(options: Options) -> tuple[list[Check], list[ExpectedAccuracy]]:
    model, artifact = check_model(options.model)
    ros, installation = check_ros()
    lens, accuracy = check_lens(options.lens, artifact) if options.lens else ([], [])
    checks = [
        check_python(),
        model,
        *check_backends(artifact),
        ros,
        check_cv_bridge(),
        check_dds_profile(installation),
        *lens,
    ]
    return checks, accuracy


def _print(checks: list[Check]) -> None:
    table = Table(title="defocus_depth doctor")
    for heading in ("check", "", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    for check in checks:
        table.add_row(check.name, Text(check.status, _STYLES[check.status]), Text(check.found), Text(check.fix))
    Console().print(table)


def _print_accuracy(rows: list[ExpectedAccuracy]) -> None:
    table = Table(title="depth accuracy to expect of the lens, on textured surfaces")
    for heading in ("distance (m)", "blur (px)", "limit by noise (m)", "network, one image (m)"):
        table.add_column(heading, justify="right")
    for row in rows:
        errors = (f"±{row.limit_m:.2g}", f"±{row.network_m:.2g}" if isfinite(row.network_m) else "cannot tell")
        table.add_row(f"{row.distance_m:g}", f"{row.coc_px:.1f}", *errors)
    Console().print(table)


def _finite(row: ExpectedAccuracy) -> dict[str, float | None]:
    return {name: value if isfinite(value) else None for name, value in asdict(row).items()}
