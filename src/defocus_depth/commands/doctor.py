"""`defocus_depth doctor`: look at everything the main path needs, and say what to fix."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .checks import Check, Status
from .checks.model import check_backends, check_model
from .checks.system import check_cv_bridge, check_dds_profile, check_python, check_ros
from .dispatch import EXIT_NEGATIVE, EXIT_OK, write_json

_STYLES: dict[Status, str] = {"ok": "green", "note": "dim", "warning": "yellow", "error": "bold red"}


@dataclass(frozen=True)
class Options:
    model: Path | None = None
    """`<name>.onnx` with its sidecar; the released model by default."""
    json: Path | None = None
    """Also write the findings to this file."""


def run(options: Options) -> int:
    """Print the findings; 1 when one of them keeps a camera topic from becoming maps."""
    checks = _examine(options)
    runs = not any(check.status == "error" for check in checks)
    _print(checks)
    write_json(options.json, {"main_path_runs": runs, "checks": [asdict(check) for check in checks]})
    return EXIT_OK if runs else EXIT_NEGATIVE


def _examine(options: Options) -> list[Check]:
    model, artifact = check_model(options.model)
    ros, installation = check_ros()
    return [
        check_python(),
        model,
        *check_backends(artifact),
        ros,
        check_cv_bridge(),
        check_dds_profile(installation),
    ]


def _print(checks: list[Check]) -> None:
    table = Table(title="defocus_depth doctor")
    for heading in ("check", "", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    for check in checks:
        table.add_row(check.name, Text(check.status, _STYLES[check.status]), Text(check.found), Text(check.fix))
    Console().print(table)
